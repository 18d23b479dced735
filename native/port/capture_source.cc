#include "port/capture_source.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace overlane {

int CaptureSource::open(const char* path) {
  close();
  // Standard input may be a socket, which /dev/stdin cannot open again.
  fd_ = std::strcmp(path, "-") == 0 ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) return errno;
  struct stat status;
  const int error = ::fstat(fd_, &status) != 0 ? errno : S_ISDIR(status.st_mode) ? EISDIR : 0;
  if (error == 0) buffer_.reset(new (std::nothrow) uint8_t[kWindow]);
  if (error != 0 || !buffer_) {
    close();
    return error != 0 ? error : ENOMEM;
  }
  cursor_ = limit_ = buffer_.get();
  return 0;
}

void CaptureSource::open_memory(const uint8_t* data, size_t size) {
  close();
  cursor_ = data;
  limit_ = data + size;
}

void CaptureSource::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  error_number_ = 0;
  buffer_.reset();
  cursor_ = limit_ = nullptr;
  offset_ = 0;
}

bool CaptureSource::skip(uint64_t size) {
  while (size > 0) {
    if (available() == 0 && !fill(1)) return false;
    const size_t step = static_cast<size_t>(std::min<uint64_t>(size, available()));
    consume(step);
    size -= step;
  }
  return true;
}

// Reads only until `size` bytes are there: on a live pipe, waiting for more would hold back what has arrived.
bool CaptureSource::fill(size_t size) {
  if (fd_ < 0 || size > kWindow) return false;
  size_t used = available();
  if (used > 0) std::memmove(buffer_.get(), cursor_, used);
  cursor_ = buffer_.get();
  while (used < size) {
    const size_t got = read_some(buffer_.get() + used, kWindow - used);
    if (got == 0) break;
    used += got;
  }
  limit_ = buffer_.get() + used;
  return used >= size;
}

size_t CaptureSource::read_some(uint8_t* to, size_t room) {
  for (;;) {
    const ssize_t got = ::read(fd_, to, room);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno == EAGAIN || errno == EWOULDBLOCK) {  // standard input that somebody made non-blocking
      pollfd wait{fd_, POLLIN, 0};
      ::poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      error_number_ = errno;
      return 0;
    }
  }
}

}  // namespace overlane
