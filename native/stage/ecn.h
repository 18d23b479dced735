// Congestion marks across a tunnel, RFC 6040.
#pragma once

#include "core/packet.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace overlane {

// ECN bits for the outer header (section 4.1; compatibility with decapsulators that know only RFC 3168: CE becomes
// ECT(0), as Linux does).
OVERLANE_INLINE uint8_t outer_ecn(const Packet& packet) {
  const uint8_t* ip = packet.data + packet.headers.l3;
  uint8_t inner = 0;
  if (packet.headers.ip_version == 4) inner = ip[1] & ecn::kMask;
  if (packet.headers.ip_version == 6) inner = ip[1] >> 4 & ecn::kMask;
  return inner == ecn::kCongestion ? ecn::kCapable0 : inner;
}

// Congestion met outside is told to the inner packet (section 4.2). False: it cannot be told, the packet has to go.
bool carry_congestion(uint8_t* frame, uint32_t length);

}  // namespace overlane
