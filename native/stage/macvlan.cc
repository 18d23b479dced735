#include "stage/macvlan.h"

#include "stage/uplink.h"
#include "wire/ethernet.h"

namespace overlane {

namespace {

bool has_source(Packet* packet, Context& context) {
  const Mac source = source_mac(packet->data);
  if (OVERLANE_LIKELY(source != 0 && !is_group(source))) return true;
  context.counters.drop(packet, Counter::drop_source_invalid);
  return false;
}

// One container has the whole link.
void pass_through(Burst& burst, const Domain& domain, Context& context) {
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    if (!has_source(packet, context)) continue;
    uint16_t other = kNoPort;
    for (const uint16_t place : domain.ports) {
      if (place != packet->source) other = place;
    }
    to_place(packet, other, context);
  }
}

// Where the stations of a frame are: kNowhere for those outside.
struct Ends {
  Place from;
  Place to;
};

void from_container(Packet* packet, const Domain& domain, Ends ends, Context& context) {
  if (ends.from != packet->source) return context.counters.drop(packet, Counter::drop_source_static);
  if (domain.forwarding == Forwarding::macvlan_vepa) return to_place(packet, domain.uplink, context);
  const bool direct = domain.forwarding == Forwarding::macvlan_bridge;
  if (is_group(destination_mac(packet->data))) {
    return direct ? flood_network(packet, FloodTo::everybody, context) : to_place(packet, domain.uplink, context);
  }
  if (ends.to == kNowhere) return to_place(packet, domain.uplink, context);
  if (ends.to == packet->source) return context.counters.drop(packet, Counter::drop_same_port);
  if (!direct) return context.counters.drop(packet, Counter::drop_isolated);
  to_place(packet, static_cast<uint16_t>(ends.to), context);
}

// What the switch sent back, to all but its sender.
void reflected(Packet* packet, const Domain& domain, Place sender, Context& context) {
  if (domain.forwarding != Forwarding::macvlan_vepa) return context.counters.drop(packet, Counter::drop_echo);
  packet->source = sender;
  flood_network(packet, FloodTo::containers, context);
}

void from_uplink(Packet* packet, const Domain& domain, Ends ends, Context& context) {
  const bool ours = ends.from != kNowhere;
  if (is_group(destination_mac(packet->data))) {
    return ours ? reflected(packet, domain, ends.from, context) : flood_network(packet, FloodTo::containers, context);
  }
  if (ends.to == kNowhere) return context.counters.drop(packet, Counter::drop_not_ours);
  if (ends.to == ends.from) return context.counters.drop(packet, Counter::drop_echo);
  if (ours && domain.forwarding == Forwarding::macvlan_private) {
    return context.counters.drop(packet, Counter::drop_isolated);
  }
  to_place(packet, static_cast<uint16_t>(ends.to), context);
}

void look_up(const Burst& burst, Mac (*mac_of)(const uint8_t*), Place* places, Context& context) {
  FdbKey keys[kMaxBurst];
  uint32_t at[kMaxBurst];
  for (uint32_t i = 0; i < burst.count; ++i) {
    keys[i] = fdb_key(burst.packets[i]->domain, mac_of(burst.packets[i]->data));
  }
  context.fdb->locate(keys, burst.count, at);
  context.fdb->look_up(keys, at, burst.count, context.tick, places);
}

}  // namespace

void macvlan(Burst& burst, Context& context) {
  const Domain& domain = context.domains[burst.packets[0]->domain];
  const bool outside = burst.packets[0]->source == domain.uplink;
  if (domain.forwarding == Forwarding::macvlan_passthru) {
    pass_through(burst, domain, context);
  } else {
    Place from[kMaxBurst], to[kMaxBurst];
    look_up(burst, source_mac, from, context);
    look_up(burst, destination_mac, to, context);
    for (uint32_t i = 0; i < burst.count; ++i) {
      Packet* packet = burst.packets[i];
      if (!has_source(packet, context)) continue;
      const Ends ends{from[i], to[i]};
      outside ? from_uplink(packet, domain, ends, context) : from_container(packet, domain, ends, context);
    }
  }
  burst.count = 0;
}

}  // namespace overlane
