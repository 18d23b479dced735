// Fixed-size packet buffers, allocated once: a stack of free ones, so the warmest is used next. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/packet.h"

namespace overlane {

class Pool {
 public:
  // room: frame bytes a packet holds besides headroom and tailroom. Throws std::bad_alloc.
  Pool(uint32_t room, uint32_t count);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // nullptr when empty.
  OVERLANE_INLINE Packet* take() {
    if (OVERLANE_UNLIKELY(free_count_ == 0)) return nullptr;
    Packet* packet = free_[--free_count_];
    packet->data = packet->buffer() + kHeadroom;
    store<uint64_t>(&packet->cut, 0);  // and segment, and flags
    return packet;
  }
  OVERLANE_INLINE void give(Packet* packet) { free_[free_count_++] = packet; }

  uint32_t room() const { return room_; }
  uint32_t available() const { return free_count_; }
  uint32_t size() const { return count_; }

 private:
  uint32_t room_;
  uint32_t count_;
  uint32_t free_count_ = 0;
  size_t bytes_ = 0;
  void* slab_ = nullptr;
  std::vector<Packet*> free_;
};

OVERLANE_INLINE void release(Packet* packet) {
  packet->pool->give(packet);
}

// The two size classes: 2 KiB for frames of a wire, 64 KiB for super-frames.
class Pools {
 public:
  static constexpr uint32_t kSmallRoom = 2048;
  static constexpr uint32_t kLargeRoom = 65536 + 192;  // a 64 KiB datagram with its Ethernet header and tags

  Pools(uint32_t small, uint32_t large) : small_(kSmallRoom, small), large_(kLargeRoom, large) {}

  OVERLANE_INLINE Packet* take(uint32_t length) {
    if (OVERLANE_LIKELY(length <= kSmallRoom)) return small_.take();
    return length <= kLargeRoom ? large_.take() : nullptr;
  }
  // A full copy with the same metadata; nullptr when the pool is empty.
  Packet* clone(const Packet& packet);

  const Pool& small() const { return small_; }
  const Pool& large() const { return large_; }

 private:
  Pool small_;
  Pool large_;
};

}  // namespace overlane
