// How packets and a port of datagrams (the `udp` underlay) speak of the other end: right before the packet's data, in
// its headroom. The data is the UDP payload, a VXLAN header and the frame; or it begins with an ESP header.
#pragma once

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
static_assert(sizeof(Datagram) == 24 && sizeof(Datagram) <= kHeadroom / 2);

OVERLANE_INLINE Datagram datagram_of(const Packet& packet) {
  return load<Datagram>(packet.data - sizeof(Datagram));
}
OVERLANE_INLINE void set_datagram(Packet& packet, const Datagram& datagram) {
  store(packet.data - sizeof(Datagram), datagram);
}

}  // namespace overlane
