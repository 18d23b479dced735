// Events on their way from a worker to the control plane: a ring with one writer and one reader. A full ring loses
// events, never packets; what is lost is counted.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "core/ip_address.h"
#include "core/time.h"

namespace overlane {

enum class EventKind : uint8_t {
  miss,     // ip: nobody known has it; port and domain: where it was asked for
  mtu,      // ip: a VTEP whose path carries no more than `value` bytes an outer IP packet
  link,     // port: its interface is now as `state` and `value` (the MTU) say
  failure,  // port: has a new error()
};

enum class LinkState : uint8_t { up, down, gone };

struct Event {
  EventKind kind = EventKind::failure;
  LinkState state = LinkState::up;
  uint16_t port = 0;
  uint16_t domain = 0;
  uint32_t value = 0;
  IpAddress ip;
  Nanos time = 0;
};

class EventRing {
 public:
  static constexpr uint32_t kSize = 4096;

  EventRing() : events_(kSize) {}

  // The writer. False when full.
  bool push(const Event& event) {
    const uint32_t head = head_.load(std::memory_order_relaxed);
    if (head - tail_.load(std::memory_order_acquire) == kSize) return false;
    events_[head % kSize] = event;
    head_.store(head + 1, std::memory_order_release);
    return true;
  }
  // The reader. False when empty.
  bool pop(Event& event) {
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail == head_.load(std::memory_order_acquire)) return false;
    event = events_[tail % kSize];
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

 private:
  std::vector<Event> events_;
  alignas(64) std::atomic<uint32_t> head_{0};
  alignas(64) std::atomic<uint32_t> tail_{0};
};

}  // namespace overlane
