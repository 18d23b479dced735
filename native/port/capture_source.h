// Bytes of a file, pipe or memory in order, through a window of bounded size. Never seeks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace overlane {

class CaptureSource {
 public:
  static constexpr size_t kWindow = 512 * 1024;  // most bytes that need() can ask for

  CaptureSource() = default;
  ~CaptureSource() { close(); }
  CaptureSource(const CaptureSource&) = delete;
  CaptureSource& operator=(const CaptureSource&) = delete;

  // "-" is standard input. Returns 0 or errno; EISDIR for a directory.
  int open(const char* path);
  // `data` stays the caller's and must outlive the reading.
  void open_memory(const uint8_t* data, size_t size);
  void close();

  // True when at least `size` bytes lie at data(). False when the input ends before, or failed: see error_number().
  // Moves the window: pointers taken from data() before are void.
  bool need(size_t size) { return available() >= size || fill(size); }
  const uint8_t* data() const { return cursor_; }
  size_t available() const { return static_cast<size_t>(limit_ - cursor_); }
  void consume(size_t size) { cursor_ += size, offset_ += size; }
  // Passes over bytes of any number; false when the input ends before.
  bool skip(uint64_t size);

  uint64_t offset() const { return offset_; }  // of data(), from the start of the input
  int error_number() const { return error_number_; }

 private:
  bool fill(size_t size);
  size_t read_some(uint8_t* to, size_t room);

  int fd_ = -1;
  int error_number_ = 0;
  std::unique_ptr<uint8_t[]> buffer_;
  const uint8_t* cursor_ = nullptr;
  const uint8_t* limit_ = nullptr;
  uint64_t offset_ = 0;
};

}  // namespace overlane
