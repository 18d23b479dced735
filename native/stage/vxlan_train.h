// vxlan_train: a super-frame on its way to a VTEP as trains: one UDP super-frame each, with outer headers once and the
// segments' datagrams, VXLAN header and frame, side by side behind them.
#pragma once

#include "stage/context.h"

namespace overlane {

// The trains of a super-frame into a tunnel, in `out`; gives it up. A segment that is left over alone is an ordinary
// packet there, for vxlan_encap. The outer UDP checksum is open (kPartialChecksum) whether or not the underlay sends
// one: no kernel segments UDP without. Returns how many; 0: it has to be finished, and is as it was but for a tag that
// stays here. So it is when it cannot be cut, comes to one datagram, is too big for the MTU, or where a next hop has to
// be asked for or buffers are short.
uint32_t vxlan_train(Packet* super, const Underlay& underlay, Packet** out, uint32_t max, Context& context);

// Makes trains of packets that vxlan_encap made, where several of one flow follow each other: of the same size, the
// last perhaps shorter. They are `coalesced`. Packets for which there is no buffer go as they are.
void gather_trains(Burst& burst, Context& context);

}  // namespace overlane
