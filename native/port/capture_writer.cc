#include "port/capture_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "core/bytes.h"
#include "port/capture_format.h"

namespace overlane {

using namespace pcapng;

namespace {

constexpr uint32_t kSectionBlock = kMinBlock + kSectionBody;
constexpr uint32_t kTimeResolutionOption = 8;
constexpr uint32_t kEndOption = 4;
constexpr uint32_t kInterfaceBlock = kMinBlock + kInterfaceBody + kTimeResolutionOption + kEndOption;
constexpr uint32_t kPacketOverhead = kMinBlock + kPacketBody;
constexpr size_t kCapacity = CaptureWriter::kBuffer + kPacketOverhead + CaptureWriter::kMaxFrame;

// Little-endian, as the host is (core/bytes.h asserts it): the same bytes on every machine.
class Emitter {
 public:
  explicit Emitter(uint8_t* at) : at_(at) {}
  template <typename T>
  Emitter& put(T value) {
    store(at_, value);
    at_ += sizeof value;
    return *this;
  }
  Emitter& put(const uint8_t* data, uint32_t length, uint32_t padding) {
    if (length > 0) std::memcpy(at_, data, length);
    std::memset(at_ + length, 0, padding);
    at_ += length + padding;
    return *this;
  }

 private:
  uint8_t* at_;
};

}  // namespace

bool CaptureWriter::open(const char* path) {
  close();
  status_.clear();
  path_ = path;
  used_ = 0;
  written_ = packets_ = 0;
  fd_ = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) return status_.fail_open(path, errno, true);
  struct stat status;
  regular_ = ::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode);
  buffer_.reset(new (std::nothrow) uint8_t[kCapacity]);
  if (!buffer_) {
    status_.fail_open(path, ENOMEM, true);
  } else {
    put_header();
  }
  // At once, so that a full disk is found before there are packets.
  if (flush()) return true;
  close();
  return false;
}

void CaptureWriter::put_header() {
  Emitter(buffer_.get())
      .put(kSection)
      .put(kSectionBlock)
      .put(kByteOrderMagic)
      .put(uint16_t{1})
      .put(uint16_t{0})
      .put(int64_t{-1})  // section length: not given
      .put(kSectionBlock)
      .put(kInterface)
      .put(kInterfaceBlock)
      .put(static_cast<uint16_t>(kLinkTypeEthernet))
      .put(uint16_t{0})
      .put(uint32_t{0})  // snaplen: no limit
      .put(kOptionTimeResolution)
      .put(uint16_t{1})
      .put(uint32_t{9})  // 10^-9 s, and three bytes of padding
      .put(uint32_t{kOptionEnd})
      .put(kInterfaceBlock);
  used_ = kSectionBlock + kInterfaceBlock;
}

bool CaptureWriter::write(const uint8_t* data, uint32_t length, uint32_t wire_length, int64_t time_ns) {
  if (!status_.ok()) return false;
  if (fd_ < 0) return status_.fail(kCaptureSystem, "cannot write %.400s: it is closed", path_.c_str());
  if (length > kMaxFrame) {
    return status_.fail(kCaptureSystem, "cannot write %.400s: a frame of %u bytes, more than the limit of %u",
                        path_.c_str(), length, kMaxFrame);
  }
  const uint32_t padding = -length & 3;
  const uint32_t block = kPacketOverhead + length + padding;
  const uint64_t time = time_ns < 0 ? 0 : static_cast<uint64_t>(time_ns);
  Emitter(buffer_.get() + used_)
      .put(kEnhancedPacket)
      .put(block)
      .put(uint32_t{0})  // interface
      .put(static_cast<uint32_t>(time >> 32))
      .put(static_cast<uint32_t>(time))
      .put(length)
      .put(std::max(length, wire_length))
      .put(data, length, padding)
      .put(block);
  used_ += block;
  packets_++;
  return used_ < kBuffer || flush();
}

bool CaptureWriter::flush() {
  if (!status_.ok()) return false;
  if (fd_ < 0) return true;
  size_t done = 0;
  while (done < used_) {
    const ssize_t put = ::write(fd_, buffer_.get() + done, used_ - done);
    if (put >= 0) {
      done += static_cast<size_t>(put);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {  // a pipe that somebody made non-blocking
      pollfd wait{fd_, POLLOUT, 0};
      ::poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      const int error_number = errno;
      keep_whole_blocks(done);
      return status_.fail(kCaptureSystem, "cannot write %.400s: %s; it holds the first %llu packets", path_.c_str(),
                          std::strerror(error_number), static_cast<unsigned long long>(packets_));
    }
  }
  written_ += used_;
  used_ = 0;
  return true;
}

// `partial` bytes of the buffer got out: drops what is no whole block from the file, and the rest of the buffer.
void CaptureWriter::keep_whole_blocks(size_t partial) {
  size_t whole = 0;
  uint64_t lost = 0;
  for (size_t at = 0; at < used_;) {
    const uint32_t type = load<uint32_t>(buffer_.get() + at);
    at += load<uint32_t>(buffer_.get() + at + 4);
    if (at <= partial) {
      whole = at;
    } else if (type == kEnhancedPacket) {
      lost++;
    }
  }
  packets_ -= lost;
  written_ += whole;
  used_ = 0;
  // Where it cannot be cut (a pipe, a broken disk) readers find a truncated last block, and nothing follows it.
  if (regular_ && ::ftruncate(fd_, static_cast<off_t>(written_)) != 0) regular_ = false;
}

bool CaptureWriter::close() {
  if (fd_ < 0) return status_.ok();
  flush();
  if (::close(fd_) != 0 && errno != EINTR) {
    status_.fail(kCaptureSystem, "cannot write %.400s: %s", path_.c_str(), std::strerror(errno));
  }
  fd_ = -1;
  buffer_.reset();
  return status_.ok();
}

}  // namespace overlane
