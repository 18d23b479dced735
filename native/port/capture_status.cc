#include "port/capture_status.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace overlane {

void CaptureStatus::clear() {
  code_ = kCaptureOk;
  text_[0] = '\0';
}

bool CaptureStatus::fail(CaptureError code, const char* format, ...) {
  if (!ok()) return false;
  code_ = code;
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text_, sizeof text_, format, arguments);
  va_end(arguments);
  return false;
}

bool CaptureStatus::fail_open(const char* path, int error_number, bool for_writing) {
  const char* reason = std::strerror(error_number);
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      if (for_writing) {
        return fail(kCaptureMissing, "cannot create %.400s: the directory it should be in does not exist", path);
      }
      return fail(kCaptureMissing, "%.400s: no such file", path);
    case EACCES:
    case EPERM:
    case EROFS:
      return fail(kCapturePermission, "cannot %s %.400s: %s", for_writing ? "write" : "read", path, reason);
    case EISDIR:
      return fail(for_writing ? kCaptureSystem : kCaptureNotACapture, "%.400s is a directory, not a capture file",
                  path);
    default:
      return fail(kCaptureSystem, "cannot %s %.400s: %s", for_writing ? "write" : "read", path, reason);
  }
}

const char* capture_error_name(CaptureError code) {
  switch (code) {
    case kCaptureMissing:
      return "ERR_OVERLANE_MISSING";
    case kCapturePermission:
      return "ERR_OVERLANE_PERMISSION";
    case kCaptureOk:
    case kCaptureSystem:
      return "ERR_OVERLANE_SYSTEM";
    case kCaptureNotACapture:
    case kCaptureUnsupported:
    case kCaptureTruncated:
    case kCaptureCorrupt:
      return "ERR_OVERLANE_CAPTURE";
  }
  return "ERR_OVERLANE_SYSTEM";
}

}  // namespace overlane
