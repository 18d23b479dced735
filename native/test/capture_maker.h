// Captures made byte by byte, and readers of them, for the capture tests.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "port/capture_reader.h"
#include "test/check.h"

namespace overlane::capture_test {

using Bytes = std::vector<uint8_t>;

// Appends numbers in a chosen byte order.
struct Maker {
  bool big = false;
  Bytes bytes{};

  Maker& put(uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; i++) {
      bytes.push_back(static_cast<uint8_t>(value >> 8 * (big ? size - 1 - i : i)));
    }
    return *this;
  }
  Maker& p16(uint64_t v) { return put(v, 2); }
  Maker& p32(uint64_t v) { return put(v, 4); }
  Maker& p64(uint64_t v) { return put(v, 8); }
  Maker& raw(const Bytes& more) { return bytes.insert(bytes.end(), more.begin(), more.end()), *this; }
  Maker& pad() {
    while (bytes.size() % 4) bytes.push_back(0);
    return *this;
  }

  Maker& pcap(uint32_t magic, uint32_t link_type = 1, unsigned minor = 4) {
    return p32(magic).p16(2).p16(minor).p64(0).p32(65535).p32(link_type);
  }
  Maker& record(uint32_t seconds, uint32_t fraction, const Bytes& data, uint32_t wire) {
    return p32(seconds).p32(fraction).p32(data.size()).p32(wire).raw(data);
  }
  Maker& block(uint32_t type, Maker body) {
    body.pad();
    const size_t length = body.bytes.size() + 12;
    return p32(type).p32(length).raw(body.bytes).p32(length);
  }
  Maker sub() const { return {big}; }
  Maker& section(unsigned major = 1, unsigned minor = 0) {
    return block(0x0a0d0d0a, sub().p32(0x1a2b3c4d).p16(major).p16(minor).p64(UINT64_MAX));
  }
  Maker& interface(uint32_t link_type = 1, uint32_t snaplen = 0, const Bytes& options = {}) {
    return block(1, sub().p16(link_type).p16(0).p32(snaplen).raw(options));
  }
  Bytes option(uint16_t code, uint64_t value, uint16_t size) const {
    return sub().p16(code).p16(size).put(value, size).pad().bytes;
  }
  Maker& packet(uint32_t interface, uint64_t time, const Bytes& data, uint32_t wire) {
    return block(6, sub().p32(interface).p32(time >> 32).p32(time).p32(data.size()).p32(wire).raw(data));
  }
};

struct Seen {
  Bytes data;
  uint32_t wire;
  int64_t time;
  uint32_t link_type;
  bool operator==(const Seen&) const = default;
};

inline std::vector<Seen> drain(CaptureReader& reader) {
  std::vector<Seen> seen;
  for (CaptureFrame f; reader.next(f);) {
    seen.push_back({Bytes(f.data, f.data + f.length), f.wire_length, f.time_ns, f.link_type});
  }
  return seen;
}

struct Result {
  bool opened = false;
  std::vector<Seen> frames{};
  CaptureError code = kCaptureOk;
  std::string error{};
};

// From a heap block of the exact size, so that AddressSanitizer sees a read beyond it.
inline Result read_all(const Bytes& bytes) {
  Result result;
  CaptureReader reader;
  result.opened = reader.open_memory(bytes.data(), bytes.size());
  if (result.opened) result.frames = drain(reader);
  CaptureFrame again;
  CHECK(!reader.next(again));  // the end stays the end
  result.code = reader.error_code();
  result.error = reader.error();
  CHECK_EQ(result.code == kCaptureOk, result.error.empty());
  return result;
}

inline Bytes frame_of(size_t size, uint8_t first = 0) {
  Bytes data(size);
  for (size_t i = 0; i < size; i++) data[i] = static_cast<uint8_t>(first + i);
  return data;
}

inline Bytes small_pcap(bool big) {
  return Maker{big}.pcap(0xa1b2c3d4).record(5, 6, frame_of(21), 21).record(7, 8, frame_of(3), 90).bytes;
}

inline Bytes small_pcapng(bool big) {
  Maker m{big};
  return m.section()
      .interface(1, 0, m.option(9, 9, 1))
      .packet(0, 5'000'006'000, frame_of(21), 21)
      .block(0x0bad, m.sub().raw(frame_of(9)))
      .packet(0, 7'000'008'000, frame_of(3), 90)
      .bytes;
}

inline std::vector<Seen> small_frames() {
  return {{frame_of(21), 21, 5'000'006'000, 1}, {frame_of(3), 90, 7'000'008'000, 1}};
}

class TempFile {
 public:
  explicit TempFile(const Bytes& bytes = {}) {
    const int fd = ::mkstemp(path_);
    CHECK(fd >= 0);
    CHECK_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    ::close(fd);
  }
  ~TempFile() { ::unlink(path_); }
  const char* path() const { return path_; }
  Bytes bytes() const {
    Bytes all;
    FILE* file = std::fopen(path_, "rb");
    for (int c; (c = std::fgetc(file)) != EOF;) all.push_back(static_cast<uint8_t>(c));
    std::fclose(file);
    return all;
  }

 private:
  char path_[32] = "/tmp/overlane-capture-XXXXXX";
};

inline bool says(const Result& result, const char* part) {
  return result.error.find(part) != std::string::npos;
}

}  // namespace overlane::capture_test
