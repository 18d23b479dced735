#include "core/pool.h"

#include <sys/mman.h>

#include <cstring>
#include <new>

namespace overlane {

namespace {

// An odd number of cache lines, so that the metadata of neighbouring packets does not share a cache set.
size_t stride_of(uint32_t room) {
  size_t lines = (sizeof(Packet) + kHeadroom + room + kTailroom + kCacheLine - 1) / kCacheLine;
  return (lines | 1) * kCacheLine;
}

}  // namespace

Pool::Pool(uint32_t room, uint32_t count) : room_(room), count_(count), free_(count) {
  const size_t stride = stride_of(room);
  bytes_ = stride * count;
  if (count == 0) return;
  slab_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (slab_ == MAP_FAILED) throw std::bad_alloc();
  madvise(slab_, bytes_, MADV_HUGEPAGE);
  for (uint32_t i = count; i-- > 0;) {
    auto* packet = new (static_cast<uint8_t*>(slab_) + stride * i) Packet;
    packet->pool = this;
    give(packet);
  }
}

Pool::~Pool() {
  if (slab_ != nullptr) munmap(slab_, bytes_);
}

Packet* Pools::clone(const Packet& packet) {
  Packet* copy = take(packet.length);
  if (copy == nullptr) return nullptr;
  Pool* pool = copy->pool;
  uint8_t* data = copy->data;
  *copy = packet;
  copy->pool = pool;
  copy->data = data;
  std::memcpy(data, packet.data, packet.length);
  return copy;
}

}  // namespace overlane
