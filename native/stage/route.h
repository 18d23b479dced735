// route: routes between the domains that are connected to the same router. The node where a packet comes in from a port
// routes it, and bridges it in the domain of its destination; every node has the same gateways. How ARP and ND requests
// for a gateway are answered: stage/proxy_arp.h.
#pragma once

#include "stage/context.h"

namespace overlane {

// Parsed packets with domain and source place, before bridge(). Takes out those that are for a router, and puts the
// ones that go on behind the others, ready to be bridged: with the MACs, the domain and the tag of where they go, and
// from kRouted.
void route(Burst& burst, Context& context);

namespace route_detail {

// Whether its tags are those of its domain: none, or one, which is the domain's VLAN or a mere priority.
bool is_in_network(const Packet& packet, const Domain& domain);

// What is wrong with a packet to be routed or for a gateway: it is dropped by that name, and an ICMP error says why
// (RFC 792; RFC 4443, section 3).
struct Refusal {
  Counter reason;
  uint8_t type, code;    // ICMP
  uint8_t type6, code6;  // ICMPv6
};
inline constexpr Refusal kTimeExceeded = {Counter::drop_route_ttl, 11, 0, 3, 0};
inline constexpr Refusal kNoRoute = {Counter::drop_route_none, 3, 0, 1, 0};
inline constexpr Refusal kNoNeighbor = {Counter::drop_route_neighbor, 3, 1, 1, 3};
inline constexpr Refusal kTooBig = {Counter::drop_route_mtu, 3, 4, 2, 0};
inline constexpr Refusal kNoPort = {Counter::drop_gateway_protocol, 3, 3, 1, 4};
inline constexpr Refusal kNoProtocol = {Counter::drop_gateway_protocol, 3, 2, 4, 1};

// Sends the error in place of the packet, back where that came from, or drops the packet where there may be none.
// value: what the error carries besides, the MTU or where the mistake is.
void refuse(Packet* packet, const Refusal& refusal, uint32_t value, Context& context);

// A packet for an address of its router, from the neighborhood: echo requests are answered in place, all else refused.
void receive(Packet* packet, Context& context);

}  // namespace route_detail

}  // namespace overlane
