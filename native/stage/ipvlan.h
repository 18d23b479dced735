// ipvlan: containers that all have one MAC, and are told apart by their IP addresses. Who has which is configured; a
// container sends from its own addresses only.
//
// l2: the MAC is the parent's; the uplink leads to its link, whose broadcasts and multicasts everybody gets. l3: each
// container is a network of one host, to which the shared MAC is everybody: the uplink leads to a router, ARP and ND
// are answered here, and there are no broadcasts and no multicasts.
//
// IPv6 link-local addresses that hosts make of their MAC are the same on every container, so they lead nowhere: only
// neighbor discovery and MLD may come from them.
#pragma once

#include "stage/context.h"

namespace overlane {

// Takes the whole burst over: parsed packets of one place, in one domain.
void ipvlan(Burst& burst, Context& context);

namespace ipvlan_detail {

// Who sent a packet and whom it is for; of ARP and neighbor solicitations who is asked for.
struct Parties {
  enum class Kind : uint8_t { none, arp, ip, solicitation };
  Kind kind = Kind::none;  // none: neither readable IP nor ARP for IPv4
  IpAddress source;
  IpAddress destination;
};
Parties parties_of(const Packet& packet);

// Whether the container at the packet's place may send this.
bool may_send(const Packet& packet, const Parties& parties, Context& context);

// The place of the container with that address; kNoPort: none has it.
uint16_t find_container(const Packet& packet, IpAddress ip, Context& context);

// Or the IPv4 broadcast address.
bool is_multicast(IpAddress ip);
// Of IPv6.
bool is_link_local(IpAddress ip);

// A packet whose source is in order.
void l2_from_container(Packet* packet, const Parties& parties, const Domain& domain, Context& context);
void l2_from_uplink(Packet* packet, const Parties& parties, const Domain& domain, Context& context);
void l3_from_container(Packet* packet, const Parties& parties, const Domain& domain, Context& context);
void l3_from_uplink(Packet* packet, const Parties& parties, const Domain& domain, Context& context);

}  // namespace ipvlan_detail

}  // namespace overlane
