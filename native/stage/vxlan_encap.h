// vxlan_encap: puts outer Ethernet, IPv4 or IPv6, UDP and VXLAN headers before each frame (RFC 7348).
#pragma once

#include "stage/context.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"
#include "wire/vxlan.h"

namespace overlane {

// Fills a tunnel's header template from its domain and underlay. next_hop 0: not known yet.
void prepare_tunnel(Tunnel& tunnel, const Domain& domain, const Underlay& underlay, Mac next_hop);
// Another next hop for a tunnel that was prepared.
void point_tunnel(Tunnel& tunnel, Mac next_hop);

// The UDP checksum over what follows the IP header, whose field is 0; 0 stands for none, so a sum of 0 is sent as
// 0xffff. pseudo_sum: that of a Tunnel.
OVERLANE_NOINLINE void fill_udp_checksum(uint8_t* udp, uint32_t length, uint64_t pseudo_sum);

// Bytes of the longest frame that the underlay's MTU allows.
inline uint32_t longest_frame(const Underlay& underlay) {
  return underlay.mtu - (underlay.local.is_v4() ? sizeof(Ipv4) : sizeof(Ipv6)) - sizeof(Udp) - sizeof(Vxlan);
}

// The tunnel's headers before one packet, whose own headers say the flow; `checksum`: over UDP too.
void push_tunnel(Packet& packet, const Tunnel& tunnel, bool checksum);

// Every packet's `source` is the tunnel it goes into. What is left in the burst is ready for the wire. Trains
// (vxlan_train.h) are already, and are only counted.
void vxlan_encap(Burst& burst, const Underlay& underlay, Context& context);

}  // namespace overlane
