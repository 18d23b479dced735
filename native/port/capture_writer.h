// Writes a pcapng file of Ethernet frames with nanosecond times. The bytes depend on nothing but the frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "port/capture_status.h"

namespace overlane {

class CaptureWriter {
 public:
  static constexpr uint32_t kMaxFrame = 262144;  // what readers accept
  static constexpr size_t kBuffer = 256 * 1024;  // written out when this full

  CaptureWriter() = default;
  ~CaptureWriter() { close(); }
  CaptureWriter(const CaptureWriter&) = delete;
  CaptureWriter& operator=(const CaptureWriter&) = delete;

  // Creates or empties the file and writes its header. False: error() says why.
  bool open(const char* path);
  // Times before 1970 become 0: pcapng has no sign. A wire_length below `length` is raised to it.
  // False from the first failure on; a regular file then ends with the last packet that was written whole.
  bool write(const uint8_t* data, uint32_t length, uint32_t wire_length, int64_t time_ns);
  bool flush();
  bool close();
  const char* error() const { return status_.text(); }
  CaptureError error_code() const { return status_.code(); }

 private:
  void put_header();
  void keep_whole_blocks(size_t partial);

  int fd_ = -1;
  bool regular_ = false;
  size_t used_ = 0;       // bytes in buffer_: whole blocks only
  uint64_t written_ = 0;  // bytes in the file before them
  uint64_t packets_ = 0;  // handed to write()
  std::unique_ptr<uint8_t[]> buffer_;
  CaptureStatus status_;
  std::string path_;
};

}  // namespace overlane
