// One AF_XDP socket: a queue of an interface, its frame memory (UMEM) and the four rings it shares with the kernel
// (Documentation/networking/af_xdp.rst).
#pragma once

#include <linux/if_xdp.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "core/platform.h"
#include "net/netns.h"
#include "wire/ethernet.h"

namespace overlane {

// A ring with the kernel at the other end. Indices run freely and are masked for access. Ours is kept here and
// published by pass(); the kernel's is read anew every time, as it costs a burst one load.
template <typename Entry>
class XdpRing {
 public:
  XdpRing() = default;
  ~XdpRing();
  XdpRing(const XdpRing&) = delete;
  XdpRing& operator=(const XdpRing&) = delete;

  // writes: we produce, the kernel consumes. 0 or an errno.
  int map(int fd, uint64_t page, const xdp_ring_offset& offset, uint32_t size, bool writes);

  // Entries that the kernel has published, or has yet to take from us.
  OVERLANE_INLINE uint32_t readable() const { return kernels() - index_; }
  OVERLANE_INLINE uint32_t pending() const { return index_ - kernels(); }
  // Counted from the first that was not passed on.
  OVERLANE_INLINE Entry& at(uint32_t ahead) { return entries_[(index_ + ahead) & mask_]; }
  OVERLANE_INLINE void pass(uint32_t count) {
    index_ += count;
    std::atomic_ref<uint32_t>(*ours_).store(index_, std::memory_order_release);
  }
  OVERLANE_INLINE bool needs_wakeup() const {
    return std::atomic_ref<uint32_t>(*flags_).load(std::memory_order_relaxed) & XDP_RING_NEED_WAKEUP;
  }
  uint32_t size() const { return mask_ + 1; }

  // The kernel's index, and the entry at any index: for what it took but did not send.
  OVERLANE_INLINE uint32_t kernels() const {
    return std::atomic_ref<uint32_t>(*theirs_).load(std::memory_order_acquire);
  }
  const Entry& entry(uint32_t index) const { return entries_[index & mask_]; }

 private:
  void* memory_ = nullptr;
  size_t bytes_ = 0;
  uint32_t* ours_ = nullptr;
  uint32_t* theirs_ = nullptr;
  uint32_t* flags_ = nullptr;
  Entry* entries_ = nullptr;
  uint32_t index_ = 0;
  uint32_t mask_ = 0;
};

enum class XdpCopy : uint8_t { automatic, always, never };  // never: zero-copy or nothing

class XdpSocket {
 public:
  // What the kernel keeps free in front of a received frame (XDP_PACKET_HEADROOM).
  static constexpr uint32_t kHeadroom = 256;
  // Whose frames fit, with their Ethernet header and two tags.
  static constexpr uint32_t largest_mtu(uint32_t frame_size) {
    return frame_size - kHeadroom - sizeof(Ethernet) - kMaxVlanTags * sizeof(VlanTag);
  }

  XdpSocket() = default;
  ~XdpSocket();
  XdpSocket(const XdpSocket&) = delete;
  XdpSocket& operator=(const XdpSocket&) = delete;

  // frames: a power of 2; the first half is handed to the kernel to receive into, the second is free to transmit.
  // frame_size: 2048 or 4096. In the namespace of the interface to bind to.
  NetResult open(uint32_t frames, uint32_t frame_size);
  NetResult bind(const std::string& interface, uint32_t index, uint32_t queue, XdpCopy copy);

  int fd() const { return fd_; }
  bool zero_copy() const { return zero_copy_; }
  // At an address as in a descriptor.
  OVERLANE_INLINE uint8_t* frame(uint64_t address) const { return memory_ + address; }
  // The start of the frame that an address lies in.
  OVERLANE_INLINE uint64_t base(uint64_t address) const { return address & ~uint64_t{frame_size_ - 1}; }
  uint32_t frame_size() const { return frame_size_; }
  uint32_t largest_mtu() const { return largest_mtu(frame_size_); }

  // System calls that have the kernel look at the fill ring, and at the transmit ring: 0 or an errno.
  int wake_receive() const;
  int wake_transmit() const;
  // Packets for this socket that the kernel dropped since it was bound.
  uint64_t dropped() const;

  XdpRing<xdp_desc> received;
  XdpRing<xdp_desc> transmit;
  XdpRing<uint64_t> fill;      // frames to receive into
  XdpRing<uint64_t> done;      // frames that were transmitted
  std::vector<uint64_t> free;  // frames to transmit from

 private:
  NetResult map_memory(uint32_t frames);
  NetResult map_rings(uint32_t size);

  int fd_ = -1;
  uint8_t* memory_ = nullptr;
  size_t bytes_ = 0;
  uint32_t frame_size_ = 0;
  bool zero_copy_ = false;
};

}  // namespace overlane
