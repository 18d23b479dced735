// The addon's exports: src/native.ts is the contract.
#include <napi.h>

#include "binding/capture.h"
#include "binding/dataplane.h"

namespace overlane {

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  DataplaneObject::init(env, exports);
  init_burst(env, exports);
  init_capture(env, exports);
  init_measure(env, exports);
  init_crypto(env, exports);
  auto names = Napi::Array::New(env, kCounterCount);
  for (uint32_t i = 0; i < kCounterCount; ++i) {
    auto counter = Napi::Object::New(env);
    counter.Set("name", kCounterInfo[i].name);
    counter.Set("kind", kCounterInfo[i].kind);
    counter.Set("about", kCounterInfo[i].about);
    names.Set(i, counter);
  }
  exports.Set("counterNames", names);
  return exports;
}

NODE_API_MODULE(overlane, init)

}  // namespace overlane
