// ESP packets in frames of an underlay: outer Ethernet, IPv4 or IPv6, and UDP (RFC 3948) or nothing come on and off.
#pragma once

#include "stage/context.h"

namespace overlane {

// Leaves the packets whose tunnel has a next hop; the others wait for it.
void keep_resolved(Burst& burst, Context& context);

// Sealed packets, with their Datagram, become frames ready for the wire.
void esp_encap(Burst& burst, const Underlay& underlay, Context& context);

// Moves the frames that hold ESP for an underlay of ESP on `carrier` from `burst` to `esp`, as ESP packets with their
// Datagram. Returns that underlay; kNoUnderlay when there are none. Those for another one stay, for the next call.
uint16_t esp_decap(Burst& burst, uint16_t carrier, Burst& esp, Context& context);

}  // namespace overlane
