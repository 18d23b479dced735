// Any bytes as a capture: the reader stays inside them, reads a file like memory, and what it gives survives the
// writer.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "port/capture_reader.h"
#include "port/capture_writer.h"

using namespace overlane;

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

// Two files without a name, kept over all runs.
struct Scratch {
  int fd = ::memfd_create("fuzz", MFD_CLOEXEC);
  std::string path = "/proc/self/fd/" + std::to_string(fd);
  void fill(const uint8_t* data, size_t size) {
    require(::ftruncate(fd, 0) == 0, "scratch file can be emptied");
    require(::pwrite(fd, data, size, 0) == static_cast<ssize_t>(size), "scratch file can be filled");
  }
};

bool same(const CaptureFrame& a, const CaptureFrame& b) {
  return a.length == b.length && a.wire_length == b.wire_length && a.time_ns == b.time_ns &&
         a.link_type == b.link_type && (a.length == 0 || std::memcmp(a.data, b.data, a.length) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Scratch input, output;
  CaptureReader memory, file, back;
  CaptureFrame frame, twin;
  CaptureWriter writer;
  input.fill(data, size);
  const bool opened = memory.open_memory(data, size);
  require(file.open(input.path.c_str()) == opened, "file and memory open alike");
  require(file.link_type() == memory.link_type(), "file and memory have the same link type");
  require(writer.open(output.path.c_str()), "the writer opens");

  std::vector<CaptureFrame> frames;  // their data stays: it lies in the input
  uint64_t total = 0;
  while (memory.next(frame)) {
    total += frame.length;
    require(frame.length <= CaptureReader::kMaxFrame && frame.wire_length >= frame.length, "frame limits");
    require(file.next(twin) && same(frame, twin), "file and memory give the same frames");
    require(writer.write(frame.data, frame.length, frame.wire_length, frame.time_ns), "the writer takes the frame");
    frames.push_back(frame);
  }
  require(total <= size, "no byte is given twice");
  require(!file.next(twin) && file.error_code() == memory.error_code(), "file and memory end alike");
  require(opened || memory.error_code() != kCaptureOk, "a capture that does not open says why");
  require((memory.error_code() == kCaptureOk) == (memory.error()[0] == '\0'), "code and text agree");

  require(writer.close() && back.open(output.path.c_str()), "what was written opens");
  for (CaptureFrame expected : frames) {
    expected.link_type = 1;
    if (expected.time_ns < 0) expected.time_ns = 0;
    require(back.next(twin) && same(expected, twin), "what was written reads back");
  }
  require(!back.next(twin) && back.error_code() == kCaptureOk, "what was written ends cleanly");
  return 0;
}
