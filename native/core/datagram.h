// How packets and a port of datagrams (the `udp` underlay) speak of the other end: right before the packet's data, in
// its headroom. The data is the UDP payload, a VXLAN header and the frame; or it begins with an ESP header.
#pragma once

#include <cstddef>

#include "core/ip_address.h"
#include "core/packet.h"

namespace overlane {

struct Datagram {
  IpAddress peer;  // received: the sender; to transmit: the VTEP
  uint16_t flow;   // to transmit: picks the source port; packets of a flow have the same
  uint8_t tos;     // outer TOS or traffic class: its ECN bits
  uint8_t reserved = 0;
  uint16_t stride = 0;   // not 0: a train of ESP packets of so many bytes, the last perhaps of fewer
  uint16_t keyring = 0;  // opened with; kNoKeyring: not sealed
};
static_assert(offsetof(Datagram, flow) == 16 && offsetof(Datagram, tos) == 18 && offsetof(Datagram, stride) == 20 &&
              offsetof(Datagram, keyring) == 22);
static_assert(sizeof(Datagram) == 24 && sizeof(Datagram) <= kHeadroom / 2);

// Datagrams of a train that is sent: UDP_MAX_SEGMENTS before Linux 6.9.
inline constexpr uint32_t kMaxTrain = 64;

OVERLANE_INLINE Datagram datagram_of(const Packet& packet) {
  return load<Datagram>(packet.data - sizeof(Datagram));
}
// In two stores from registers: a struct put together field by field in memory would be waited for.
OVERLANE_INLINE void set_datagram(Packet& packet, const Datagram& datagram) {
  uint8_t* at = packet.data - sizeof(Datagram);
  store(at, datagram.peer);
  store(at + offsetof(Datagram, flow), uint64_t{datagram.flow} | uint64_t{datagram.tos} << 16 |
                                           uint64_t{datagram.stride} << 32 | uint64_t{datagram.keyring} << 48);
}

}  // namespace overlane
