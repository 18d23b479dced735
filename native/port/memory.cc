#include "port/memory.h"

#include <cstring>

namespace overlane {

void MemoryPort::Queue::push(const uint8_t* data, uint32_t length, uint32_t cut, Nanos time) {
  frames.push_back({used, length, cut, time});
  bytes.resize(used);
  bytes.insert(bytes.end(), data, data + length);
  used += length;
  bytes.resize(used + kPad);
}

void MemoryPort::Queue::clear() {
  bytes.clear();
  frames.clear();
  used = 0;
  next = 0;
}

namespace {
static_assert(MemoryPort::Queue::kPad >= kCacheLine && kTailroom >= kCacheLine);
constexpr uintptr_t kAhead = 8 * kCacheLine;  // may point past the queue: a prefetch is no access
}  // namespace

uint32_t MemoryPort::receive(Packet** packets, uint32_t max, Nanos now, Nanos, Pools& pools, CounterRow& row) {
  const uint8_t* bytes = in_.bytes.data();
  const Frame* frames = in_.frames.data();
  const size_t end = in_.frames.size();
  size_t next = in_.next;
  uint32_t count = 0;
  for (uint32_t turns = 0; turns < max && next < end; ++turns) {
    const Frame& frame = frames[next];
    Packet* packet = pools.take(frame.length);
    if (OVERLANE_UNLIKELY(packet == nullptr && frame.length <= Pools::kLargeRoom)) {
      row.add(Counter::rx_pool_empty);
      break;
    }
    if (++next == end && options_.loop) next = 0;
    if (OVERLANE_UNLIKELY(packet == nullptr)) {
      refuse_oversize(frame.length, row);
      continue;
    }
    const uint8_t* from = bytes + frame.offset;
    prefetch_read(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(from) + kAhead));
    // Up to a line too much: the queue is padded, and the packet has its tailroom.
    std::memcpy(packet->data, from, kCacheLine);
    for (uint32_t at = kCacheLine; at < frame.length; at += kCacheLine) {
      std::memcpy(packet->data + at, from + at, kCacheLine);
    }
    packet->length = frame.length;
    packet->time = frame.time == kNow ? now : frame.time;
    packets[count++] = packet;
  }
  in_.next = next;
  if (next == end) in_.clear();
  return count;
}

uint32_t MemoryPort::transmit(Packet** packets, uint32_t count, CounterRow&) {
  uint32_t taken = 0;
  for (; taken < count; ++taken) {
    Packet* packet = packets[taken];
    if (!options_.discard) {
      if (out_.used + packet->length > options_.queue_bytes) break;
      out_.push(packet->data, packet->length, packet->cut, packet->time);
    }
    release(packet);
  }
  return taken;
}

}  // namespace overlane
