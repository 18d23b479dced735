#include "stage/ipvlan.h"

#include "stage/uplink.h"
#include "stage/vlan_tag.h"

namespace overlane {

namespace ipvlan_detail {

void l2_from_container(Packet* packet, const Parties& parties, const Domain& domain, Context& context) {
  const Mac to = destination_mac(packet->data);
  if (is_group(to)) return flood_network(packet, FloodTo::everybody, context);
  if (to != domain.mac) return to_place(packet, domain.uplink, context);
  const uint16_t place = find_container(*packet, parties.destination, context);
  if (place == kNoPort) return context.counters.drop(packet, Counter::drop_not_ours);
  if (place == packet->source) return context.counters.drop(packet, Counter::drop_same_port);
  to_place(packet, place, context);
}

void l2_from_uplink(Packet* packet, const Parties& parties, const Domain& domain, Context& context) {
  const Mac to = destination_mac(packet->data);
  if (source_mac(packet->data) == domain.mac) return context.counters.drop(packet, Counter::drop_echo);
  if (is_group(to)) return flood_network(packet, FloodTo::containers, context);
  const uint16_t place = to == domain.mac ? find_container(*packet, parties.destination, context) : kNoPort;
  if (place == kNoPort) return context.counters.drop(packet, Counter::drop_not_ours);
  to_place(packet, place, context);
}

}  // namespace ipvlan_detail

namespace {

using namespace ipvlan_detail;

// False: it is gone.
bool accept_container(Packet* packet, const Parties& parties, const Domain& domain, Context& context) {
  if (source_mac(packet->data) != domain.mac) {
    return context.counters.drop(packet, Counter::drop_source_static), false;
  }
  if (may_send(*packet, parties, context)) return true;
  return context.counters.drop(packet, Counter::drop_source_address), false;
}

bool accept_uplink(Packet* packet, Context& context) {
  const Mac source = source_mac(packet->data);
  if (source != 0 && !is_group(source)) return true;
  return context.counters.drop(packet, Counter::drop_source_invalid), false;
}

// The network has no VLANs. False: it is gone.
bool untag(Packet* packet, Context& context) {
  if (OVERLANE_LIKELY(!(packet->headers.flags & kTagged))) return true;
  const bool priority = has_priority_tag(*packet);
  if (priority) pop_vlan_tag(*packet);
  if (priority && !(packet->headers.flags & kTagged)) return true;
  return context.counters.drop(packet, Counter::drop_vlan_unknown), false;
}

}  // namespace

void ipvlan(Burst& burst, Context& context) {
  const Domain& domain = context.domains[burst.packets[0]->domain];
  const bool l2 = domain.forwarding == Forwarding::ipvlan_l2;
  const bool outside = burst.packets[0]->source == domain.uplink;
  const auto forward = outside ? (l2 ? l2_from_uplink : l3_from_uplink) : (l2 ? l2_from_container : l3_from_container);
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    if (!untag(packet, context)) continue;
    const Parties parties = parties_of(*packet);
    if (OVERLANE_UNLIKELY(parties.kind == Parties::Kind::none)) {
      context.counters.drop(packet, Counter::drop_not_ip);
    } else if (outside ? accept_uplink(packet, context) : accept_container(packet, parties, domain, context)) {
      forward(packet, parties, domain, context);
    }
  }
  burst.count = 0;
}

}  // namespace overlane
