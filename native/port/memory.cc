#include "port/memory.h"

#include <algorithm>
#include <cstring>

namespace overlane {

void MemoryPort::Queue::push(const uint8_t* data, uint32_t length, uint32_t cut, Nanos time) {
  frames.push_back({bytes.size(), length, cut, time});
  bytes.insert(bytes.end(), data, data + length);
}

void MemoryPort::Queue::clear() {
  bytes.clear();
  frames.clear();
  next = 0;
}

namespace {
constexpr uintptr_t kAhead = 8 * kCacheLine;  // may point past the queue: a prefetch is no access
}

uint32_t MemoryPort::receive(Packet** packets, uint32_t max, Nanos now, Nanos, Pools& pools, CounterRow& row) {
  uint32_t count = 0;
  for (uint32_t turns = 0; turns < max && in_.next < in_.frames.size(); ++turns) {
    const Frame& frame = in_.frames[in_.next];
    if (OVERLANE_UNLIKELY(frame.length > Pools::kLargeRoom)) {
      refuse_oversize(frame.length, row);
      advance();
      continue;
    }
    Packet* packet = pools.take(frame.length);
    if (OVERLANE_UNLIKELY(packet == nullptr)) {
      row.add(Counter::rx_pool_empty);
      break;
    }
    const uint8_t* from = in_.bytes.data() + frame.offset;
    prefetch_read(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(from) + kAhead));
    if (OVERLANE_LIKELY(frame.length == 64)) {
      std::memcpy(packet->data, from, 64);
    } else {
      std::copy_n(from, frame.length, packet->data);
    }
    packet->length = frame.length;
    packet->time = frame.time == kNow ? now : frame.time;
    packets[count++] = packet;
    advance();
  }
  return count;
}

void MemoryPort::advance() {
  if (OVERLANE_LIKELY(++in_.next < in_.frames.size())) return;
  if (options_.loop) {
    in_.next = 0;
  } else {
    in_.clear();
  }
}

uint32_t MemoryPort::transmit(Packet** packets, uint32_t count) {
  uint32_t taken = 0;
  for (; taken < count; ++taken) {
    Packet* packet = packets[taken];
    if (!options_.discard) {
      if (out_.bytes.size() + packet->length > options_.queue_bytes) break;
      out_.push(packet->data, packet->length, packet->cut, packet->time);
    }
    release(packet);
  }
  return taken;
}

}  // namespace overlane
