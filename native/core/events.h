// Events on their way from a worker to the control plane: a ring with one writer and one reader. A full ring loses
// events, never packets; what is lost is counted.
#pragma once

#include <cstdint>

#include "core/ip_address.h"
#include "core/ring.h"
#include "core/time.h"

namespace overlane {

enum class EventKind : uint8_t {
  miss,     // ip: nobody known has it; port and domain: where it was asked for
  mtu,      // ip: a VTEP whose path carries no more than `value` bytes an outer IP packet
  link,     // port: its interface is now as `state` and `value` (the MTU) say
  failure,  // port: has a new error()
  alert,    // ip: a peer of keyring `value`, on a carrier `port`; reason: an Alert
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
  uint8_t reason = 0;
};

using EventRing = Ring<Event, 4096>;

}  // namespace overlane
