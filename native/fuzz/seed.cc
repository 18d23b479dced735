// seed OUT CAPTURES…: starting points for the fuzzers. OUT/fuzz_capture gets the small capture files themselves,
// OUT/fuzz_dataplane their frames behind each of the mode bytes that fuzz_dataplane.cc reads.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "port/capture_reader.h"

namespace fs = std::filesystem;
using namespace overlane;

namespace {

constexpr size_t kLongest = 2048;
constexpr uintmax_t kLargestFile = 16384;
constexpr int kFramesAFile = 40;

int seed_frames(const fs::path& capture, const fs::path& out, int number) {
  CaptureReader reader;
  if (!reader.open(capture.c_str())) return number;
  CaptureFrame frame;
  for (int taken = 0; taken < kFramesAFile && reader.next(frame); ++taken) {
    if (frame.length > kLongest || frame.link_type != 1) continue;
    const char mode = static_cast<char>(number % 8);
    std::ofstream file(out / std::to_string(number++), std::ios::binary);
    file.put(mode).write(reinterpret_cast<const char*>(frame.data), frame.length);
  }
  return number;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fputs("usage: seed OUT CAPTURES...\n", stderr), 2;
  const fs::path out = argv[1];
  const fs::path files = out / "fuzz_capture";
  const fs::path frames = out / "fuzz_dataplane";
  fs::create_directories(files);
  fs::create_directories(frames);
  int number = 0;
  for (int i = 2; i < argc; ++i) {
    if (!fs::is_directory(argv[i])) continue;
    for (const auto& entry : fs::directory_iterator(argv[i])) {
      if (!entry.is_regular_file() || entry.path().extension().string().rfind(".pcap", 0) != 0) continue;
      if (entry.file_size() <= kLargestFile) {
        fs::copy_file(entry.path(), files / entry.path().filename(), fs::copy_options::overwrite_existing);
      }
      number = seed_frames(entry.path(), frames, number);
    }
  }
  std::printf("%d frames for fuzz_dataplane\n", number);
  return number == 0;
}
