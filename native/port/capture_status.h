// How the capture reader and writer say what went wrong: a code to act on and a sentence for the user.
#pragma once

#include <cstdint>

namespace overlane {

enum CaptureError : int {
  kCaptureOk = 0,
  kCaptureMissing,      // no such file or directory
  kCapturePermission,   // the system refuses access
  kCaptureSystem,       // any other failure of the system: I/O error, disk full
  kCaptureNotACapture,  // neither pcap nor pcapng: empty file, directory, other content
  kCaptureUnsupported,  // a capture of a version that this reader does not know
  kCaptureTruncated,    // ends inside a header, record or block
  kCaptureCorrupt,      // contradicts its format
};

// The code of src/errors.ts for it.
const char* capture_error_name(CaptureError code);

// Holds the first failure until clear(). The text is cut at its buffer's size, never allocated.
class CaptureStatus {
 public:
  CaptureError code() const { return code_; }
  const char* text() const { return text_; }
  bool ok() const { return code_ == kCaptureOk; }
  void clear();
  // Each returns false, so that a caller can `return status.fail(…)`. A second failure does not replace the first.
  bool fail(CaptureError code, const char* format, ...) __attribute__((format(printf, 3, 4)));
  // open(2) of `path` failed with `error_number`.
  bool fail_open(const char* path, int error_number, bool for_writing);

 private:
  CaptureError code_ = kCaptureOk;
  char text_[768] = "";
};

}  // namespace overlane
