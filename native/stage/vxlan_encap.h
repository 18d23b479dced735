// vxlan_encap: puts outer Ethernet, IPv4 or IPv6, UDP and VXLAN headers before each frame (RFC 7348).
#pragma once

#include "stage/context.h"

namespace overlane {

// Fills a tunnel's header template from its domain and underlay. next_hop 0: not known yet.
void prepare_tunnel(Tunnel& tunnel, const Domain& domain, const Underlay& underlay, Mac next_hop);
// Another next hop for a tunnel that was prepared.
void point_tunnel(Tunnel& tunnel, Mac next_hop);

// The UDP checksum over what follows the IP header, whose field is 0; 0 stands for none, so a sum of 0 is sent as
// 0xffff. pseudo_sum: that of a Tunnel.
OVERLANE_NOINLINE void fill_udp_checksum(uint8_t* udp, uint32_t length, uint64_t pseudo_sum);

// Every packet's `source` is the tunnel it goes into. What is left in the burst is ready for the wire.
void vxlan_encap(Burst& burst, const Underlay& underlay, Context& context);

}  // namespace overlane
