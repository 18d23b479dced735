// ipvlan-l3: between hosts that see nothing but a router.
#include "stage/ipvlan.h"
#include "stage/proxy_arp.h"
#include "stage/uplink.h"
#include "wire/arp.h"

namespace overlane::ipvlan_detail {

namespace {


bool is_request(const Packet& packet) {
  return reinterpret_cast<const Arp*>(packet.data + packet.headers.l3)->operation == arp::kRequest;
}

void drop_group(Packet* packet, Context& context) {
  const bool broadcast = destination_mac(packet->data) == kBroadcast;
  context.counters.drop(packet, broadcast ? Counter::drop_broadcast : Counter::drop_multicast);
}

// Back to where it came from.
void answer_arp(Packet* packet, const Domain& domain, Context& context) {
  proxy_detail::reply_arp(*packet, domain.mac);
  context.counters.port(packet->ingress).add(Counter::arp_replied);
  to_place(packet, static_cast<uint16_t>(packet->source), context);
}

void answer_nd(Packet* packet, const Domain& domain, Context& context) {
  proxy_detail::reply_nd(*packet, domain.mac);
  context.counters.port(packet->ingress).add(Counter::nd_replied);
  to_place(packet, static_cast<uint16_t>(packet->source), context);
}

// Answers what is a question; false: it is a packet to forward. `answers`: the shared MAC is the answer to it.
bool handle_question(Packet* packet, const Parties& parties, bool answers, const Domain& domain, Context& context) {
  if (parties.kind == Parties::Kind::arp) {
    if (is_request(*packet) && answers) return answer_arp(packet, domain, context), true;
    const bool group = is_group(destination_mac(packet->data));
    return group ? drop_group(packet, context) : context.counters.drop(packet, Counter::drop_not_ours), true;
  }
  if (parties.kind != Parties::Kind::solicitation || !answers || !proxy_detail::is_solicitation(*packet)) return false;
  return answer_nd(packet, domain, context), true;
}

}  // namespace

void l3_from_container(Packet* packet, const Parties& parties, const Domain& domain, Context& context) {
  // Not one that wants to know whether it is alone with its address.
  const bool probe =
      parties.source == kNobody4 || parties.source == IpAddress{} || parties.source == parties.destination;
  const uint16_t place = find_container(*packet, parties.destination, context);
  if (handle_question(packet, parties, !probe && place != packet->source, domain, context)) return;
  if (is_group(destination_mac(packet->data))) return drop_group(packet, context);
  if (is_multicast(parties.destination)) return context.counters.drop(packet, Counter::drop_multicast);
  if (place == packet->source) return context.counters.drop(packet, Counter::drop_same_port);
  if (place == kNoPort && is_link_local(parties.destination)) {
    return context.counters.drop(packet, Counter::drop_not_ours);
  }
  store_mac(packet->data, place == kNoPort ? domain.uplink_mac : domain.mac);
  to_place(packet, place == kNoPort ? domain.uplink : place, context);
}

void l3_from_uplink(Packet* packet, const Parties& parties, const Domain& domain, Context& context) {
  const uint16_t place = find_container(*packet, parties.destination, context);
  const bool announcement = parties.source == parties.destination;
  if (handle_question(packet, parties, !announcement && place != kNoPort, domain, context)) return;
  if (is_group(destination_mac(packet->data))) return drop_group(packet, context);
  if (place == kNoPort) return context.counters.drop(packet, Counter::drop_not_ours);
  store_mac(packet->data, domain.mac);
  to_place(packet, place, context);
}

}  // namespace overlane::ipvlan_detail
