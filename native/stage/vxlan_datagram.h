// VXLAN over a port of datagrams: the kernel has, or adds, the outer headers; a VXLAN header is all that goes on and
// comes off here. Super-frames pass whole. See core/datagram.h.
#pragma once

#include "stage/context.h"

namespace overlane {

// Puts frames bound for tunnels of `underlay` (packet->source says which) into datagrams.
void vxlan_to_datagrams(Burst& burst, const Underlay& underlay, Context& context);

// Takes the frames out of datagrams received on `carrier`; drops what is not from a known VTEP of a known VNI, and what
// was not opened with the keys of that VNI.
void vxlan_from_datagrams(Burst& burst, uint16_t carrier, uint16_t underlay, Context& context);

// Why there is no such VNI on an underlay: perhaps because it is encrypted, and this was not.
Counter unknown_vni(uint16_t underlay, uint32_t vni, Context& context);

}  // namespace overlane
