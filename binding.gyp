{
  "targets": [
    {
      "target_name": "overlane",
      "sources": [
        "<!@(find native -name '*.cc' -not -path 'native/test/*' -not -path 'native/fuzz/*' -not -path 'native/bench/*' -not -path 'native/build/*' | LC_ALL=C sort)"
      ],
      "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_CPP_EXCEPTIONS"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20", "-O2"],
      "cflags_cc": ["-std=c++20", "-O3", "-fexceptions", "-Wall", "-Wextra", "-Wno-cast-function-type", "-fvisibility=hidden", "-fno-semantic-interposition"],
      "conditions": [["target_arch=='x64'", {"cflags_cc": ["-march=x86-64-v2"]}]],
      "ldflags": ["-Wl,-z,relro,-z,now"]
    }
  ]
}
