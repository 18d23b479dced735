// The flow of a packet as a number: same for all its packets, spread over 32 bits. For source-port entropy and queues;
// computed where it is wanted, as most packets never need it. Not against an attacker.
#pragma once

#include "core/headers.h"
#include "wire/ipv4.h"

namespace overlane {

namespace flow_detail {

OVERLANE_INLINE uint32_t mix(uint64_t a, uint64_t b) {
  uint64_t h = ((a + 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd) ^ ((b + 0xc2b2ae3d27d4eb4f) * 0x9fb21c651e98df25);
  h ^= h >> 32;
  return static_cast<uint32_t>((h * 0xc4ceb9fe1a85ec53) >> 32);
}

OVERLANE_INLINE uint64_t fold_ipv6(const uint8_t* addresses) {
  const uint64_t a = load<uint64_t>(addresses) ^ load<uint64_t>(addresses + 16) * 31;
  const uint64_t b = load<uint64_t>(addresses + 8) ^ load<uint64_t>(addresses + 24) * 31;
  return a * 0x9e3779b97f4a7c15 + b;
}

}  // namespace flow_detail

// Addresses, protocol and ports; without the ports for every fragment of a datagram, so that it takes one path; the
// MACs and EtherType of what is not IP. 0 for what has no Ethernet header.
OVERLANE_INLINE uint32_t flow_hash(const uint8_t* frame, const Headers& h) {
  using namespace flow_detail;
  if (OVERLANE_UNLIKELY(h.ip_version == 0)) {
    if (h.status == ParseStatus::ethernet_truncated) return 0;
    return mix(load<uint64_t>(frame), load<uint32_t>(frame + 8) ^ h.ether_type);
  }
  const bool ports =
      h.payload != 0 && !(h.flags & kFragment) && (h.protocol == ip_protocol::kUdp || h.protocol == ip_protocol::kTcp);
  const uint64_t rest = uint64_t{h.protocol} << 32 | (ports ? load<uint32_t>(frame + h.l4) : 0);
  if (OVERLANE_LIKELY(h.ip_version == 4)) return mix(load<uint64_t>(frame + h.l3 + 12), rest);
  return mix(fold_ipv6(frame + h.l3 + 8), rest);
}

}  // namespace overlane
