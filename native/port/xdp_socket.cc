#include "port/xdp_socket.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "port/xdp_program.h"

namespace overlane {

namespace {

constexpr size_t kHugePage = 2 << 20;

uint8_t* map_pages(size_t bytes, int flags) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<uint8_t*>(memory);
}

// 0 or an errno. The kernel frees a queue some time after its socket was closed, so a busy one may be ours of just now.
int bind_patiently(int fd, const sockaddr_xdp& address) {
  constexpr int kTurns = 40;
  constexpr timespec kPause{0, 5'000'000};
  for (int turn = 1;; ++turn) {
    if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return 0;
    if (errno != EBUSY || turn == kTurns) return errno;
    nanosleep(&kPause, nullptr);
  }
}

}  // namespace

template <typename Entry>
XdpRing<Entry>::~XdpRing() {
  if (memory_ != nullptr) munmap(memory_, bytes_);
}

template <typename Entry>
int XdpRing<Entry>::map(int fd, uint64_t page, const xdp_ring_offset& offset, uint32_t size, bool writes) {
  const size_t bytes = offset.desc + size * sizeof(Entry);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, static_cast<off_t>(page));
  if (memory == MAP_FAILED) return errno;
  memory_ = memory;
  bytes_ = bytes;
  const auto at = [&](uint64_t where) { return reinterpret_cast<uint32_t*>(static_cast<uint8_t*>(memory) + where); };
  ours_ = at(writes ? offset.producer : offset.consumer);
  theirs_ = at(writes ? offset.consumer : offset.producer);
  flags_ = at(offset.flags);
  entries_ = reinterpret_cast<Entry*>(at(offset.desc));
  mask_ = size - 1;
  return 0;
}

template class XdpRing<xdp_desc>;
template class XdpRing<uint64_t>;

XdpSocket::~XdpSocket() {
  if (fd_ >= 0) close(fd_);
  if (memory_ != nullptr) munmap(memory_, bytes_);
}

NetResult XdpSocket::open(uint32_t frames, uint32_t frame_size) {
  frame_size_ = frame_size;
  fd_ = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return xdp_error(errno, "open an AF_XDP socket");
  NetResult result = map_memory(frames);
  if (result) result = map_rings(frames / 2);
  if (!result) return result;
  const uint32_t half = frames / 2;
  free.reserve(half);
  for (uint32_t i = 0; i < half; ++i) {
    fill.at(i) = uint64_t{i} * frame_size;
    free.push_back(uint64_t{frames - 1 - i} * frame_size);
  }
  fill.pass(half);
  // In copy mode every frame is an skb until it is sent: a buffer for all of them, or sending stops half-way.
  const int buffer = static_cast<int>(bytes_);
  if (setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer) != 0) {
    setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  }
  return {};
}

NetResult XdpSocket::map_memory(uint32_t frames) {
  bytes_ = size_t{frames} * frame_size_;
  if (bytes_ % kHugePage == 0) memory_ = map_pages(bytes_, MAP_HUGETLB);
  if (memory_ == nullptr) {
    memory_ = map_pages(bytes_, 0);
    if (memory_ == nullptr) return xdp_error(errno, "map " + std::to_string(bytes_ >> 10) + " KiB for AF_XDP frames");
    madvise(memory_, bytes_, MADV_HUGEPAGE);
  }
  xdp_umem_reg memory{};
  memory.addr = reinterpret_cast<uintptr_t>(memory_);
  memory.len = bytes_;
  memory.chunk_size = frame_size_;
  if (setsockopt(fd_, SOL_XDP, XDP_UMEM_REG, &memory, sizeof memory) == 0) return {};
  return xdp_error(errno, "register " + std::to_string(bytes_ >> 10) + " KiB for AF_XDP frames");
}

NetResult XdpSocket::map_rings(uint32_t size) {
  for (const int ring : {XDP_RX_RING, XDP_TX_RING, XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING}) {
    if (setsockopt(fd_, SOL_XDP, ring, &size, sizeof size) != 0) return xdp_error(errno, "make an AF_XDP ring");
  }
  xdp_mmap_offsets offsets{};
  socklen_t length = sizeof offsets;
  if (getsockopt(fd_, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &length) != 0 || length != sizeof offsets) {
    return {"ERR_OVERLANE_UNSUPPORTED", "the AF_XDP of this kernel is too old: Linux 5.9 is needed"};
  }
  int error = received.map(fd_, XDP_PGOFF_RX_RING, offsets.rx, size, false);
  if (error == 0) error = transmit.map(fd_, XDP_PGOFF_TX_RING, offsets.tx, size, true);
  if (error == 0) error = fill.map(fd_, XDP_UMEM_PGOFF_FILL_RING, offsets.fr, size, true);
  if (error == 0) error = done.map(fd_, XDP_UMEM_PGOFF_COMPLETION_RING, offsets.cr, size, false);
  return error == 0 ? NetResult{} : xdp_error(error, "map an AF_XDP ring");
}

NetResult XdpSocket::bind(const std::string& interface, uint32_t index, uint32_t queue, XdpCopy copy) {
  sockaddr_xdp address{};
  address.sxdp_family = AF_XDP;
  address.sxdp_ifindex = index;
  address.sxdp_queue_id = queue;
  // With neither flag the kernel tries zero-copy, then copy.
  address.sxdp_flags = XDP_USE_NEED_WAKEUP;
  if (copy == XdpCopy::always) address.sxdp_flags |= XDP_COPY;
  if (copy == XdpCopy::never) address.sxdp_flags |= XDP_ZEROCOPY;
  const std::string what = "bind an AF_XDP socket to queue " + std::to_string(queue) + " of " + interface;
  if (const int error = bind_patiently(fd_, address)) {
    NetResult result = xdp_error(error, what);
    if (error == EBUSY) result.message += "; another AF_XDP socket has this queue: end its process";
    if (copy == XdpCopy::never && error != EPERM && error != EBUSY && error != ENODEV) {
      return {"ERR_OVERLANE_UNSUPPORTED", result.message + "; its driver has no zero-copy: use zeroCopy auto"};
    }
    if (error == EINVAL) {
      return {"ERR_OVERLANE_OPTION", result.message + "; has it so many queues? ethtool -l " + interface};
    }
    return result;
  }
  xdp_options options{};
  socklen_t length = sizeof options;
  getsockopt(fd_, SOL_XDP, XDP_OPTIONS, &options, &length);
  zero_copy_ = options.flags & XDP_OPTIONS_ZEROCOPY;
  return {};
}

int XdpSocket::wake_receive() const {
  return recvfrom(fd_, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr) >= 0 ? 0 : errno;
}

int XdpSocket::wake_transmit() const {
  return sendto(fd_, nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0 ? 0 : errno;
}

uint64_t XdpSocket::dropped() const {
  xdp_statistics statistics{};
  socklen_t length = sizeof statistics;
  if (getsockopt(fd_, SOL_XDP, XDP_STATISTICS, &statistics, &length) != 0) return 0;
  // Not rx_fill_ring_empty_descs: in copy mode rx_dropped counts the same packets, and a zero-copy driver that finds
  // the fill ring empty has not dropped anything yet.
  return statistics.rx_dropped + statistics.rx_ring_full;
}

}  // namespace overlane
