// vxlan_encap: puts outer Ethernet, IPv4 or IPv6, UDP and VXLAN headers before each frame (RFC 7348).
#pragma once

#include "stage/context.h"

namespace overlane {

// Fills a tunnel's header template from its domain and underlay. next_hop 0: not known yet.
void prepare_tunnel(Tunnel& tunnel, const Domain& domain, const Underlay& underlay, Mac next_hop);
// Another next hop for a tunnel that was prepared.
void point_tunnel(Tunnel& tunnel, Mac next_hop);

// Every packet's `source` is the tunnel it goes into. What is left in the burst is ready for the wire.
void vxlan_encap(Burst& burst, const Underlay& underlay, Context& context);

}  // namespace overlane
