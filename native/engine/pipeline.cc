#include "engine/pipeline.h"

#include <algorithm>
#include <utility>

#include "offload/merge.h"
#include "stage/bridge.h"
#include "stage/esp_frame.h"
#include "stage/finish.h"
#include "stage/ipvlan.h"
#include "stage/macvlan.h"
#include "stage/open.h"
#include "stage/parse.h"
#include "stage/proxy_arp.h"
#include "stage/route.h"
#include "stage/vlan_tag.h"
#include "stage/vxlan_datagram.h"
#include "stage/vxlan_decap.h"
#include "stage/vxlan_from_train.h"

namespace overlane {

namespace {

constexpr uint32_t kAgeSlots = 16;  // a burst; the lookups do not depend on it, an expired entry is no entry

void arrive(Burst& burst, uint16_t port, uint16_t domain, CounterRow& row) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    packet->set_origin(port, port, domain);
    bytes += packet->length;
  }
  row.add(Counter::rx_packets, burst.count);
  row.add(Counter::rx_bytes, bytes);
}

// The domain of a tagged or untagged frame on a bridge with a VLAN map; kNoDomain when it maps to none.
uint16_t mapped_domain(Packet& packet, const Member& member) {
  const Headers& h = packet.headers;
  if (!(h.flags & kTagged)) return member.untagged;
  if (load_be16(packet.data + 12) != ether_type::kVlan) return kNoDomain;
  if (h.vlan != 0) return member.vlans[h.vlan];
  pop_vlan_tag(packet);
  return member.untagged;
}

void assign_domains(Burst& burst, const Member& member, Context& context) {
  if (OVERLANE_LIKELY(member.vlans.empty())) return;  // they have the member's one domain already
  uint32_t kept = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    packet->domain = mapped_domain(*packet, member);
    if (packet->domain == kNoDomain) {
      context.counters.drop(packet, Counter::drop_vlan_unknown);
    } else {
      burst.packets[kept++] = packet;
    }
  }
  burst.count = kept;
}

// What came out of a tunnel gets the tag that its VLAN has on the ports.
void restore_tags(Burst& burst, const Context& context) {
  if (!context.maps_vlans) return;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    const uint16_t vlan = context.domains[packet->domain].vlan;
    if (OVERLANE_UNLIKELY(vlan != kNoVlan)) push_vlan_tag(*packet, vlan);
  }
}

// Kernels across veth leave inner checksums open without a word.
void note_open_checksums(Burst& burst) {
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    if (packet->is_ordinary() && has_partial_checksum(packet->data, packet->headers)) packet->flags = kPartialChecksum;
  }
}

void drop_all(Burst& burst, Counter reason, Counters& counters) {
  for (uint32_t i = 0; i < burst.count; ++i) counters.drop(burst.packets[i], reason);
  burst.count = 0;
}

// Frames of known domains: answered, routed, or sent where they belong. Those of macvlan and ipvlan networks come in
// bursts of one place and domain.
void switch_frames(Burst& burst, Context& context) {
  if (OVERLANE_UNLIKELY(burst.count == 0)) return;
  const Forwarding forwarding = context.domains[burst.packets[0]->domain].forwarding;
  if (OVERLANE_UNLIKELY(forwarding != Forwarding::learning)) {
    return forwarding >= Forwarding::ipvlan_l2 ? ipvlan(burst, context) : macvlan(burst, context);
  }
  proxy_arp(burst, context);
  route(burst, context);
  bridge(burst, context);
}

// The lane of a frame that came from a trunk, or the trunk's own row for what has no VLAN; kNoPort: nobody's VLAN.
uint16_t lane_of(const Packet& packet, uint16_t port, const Member& trunk) {
  const Headers& h = packet.headers;
  if (!(h.flags & kTagged) || has_priority_tag(packet)) return port;
  return load_be16(packet.data + 12) == ether_type::kVlan ? trunk.lanes[h.vlan] : kNoPort;
}

// Frames of several networks: each network's together, without the tag.
void from_trunk(Burst& burst, uint16_t port, Context& context) {
  const Member& trunk = context.members[port];
  uint32_t left = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    const uint16_t lane = lane_of(*packet, port, trunk);
    if (lane == kNoPort || context.members[lane].bridge == kNoBridge) {
      context.counters.drop(packet, Counter::drop_vlan_unknown);
      continue;
    }
    pop_vlan_tag(*packet);
    packet->set_origin(lane, port, context.members[lane].untagged);
    burst.packets[left++] = packet;
  }
  while (left > 0) {
    Burst part;
    const Place place = burst.packets[0]->source;
    burst.count = std::exchange(left, 0);
    for (uint32_t i = 0; i < burst.count; ++i) {
      Packet* packet = burst.packets[i];
      (packet->source == place ? part.packets[part.count++] : burst.packets[left++]) = packet;
    }
    switch_frames(part, context);
  }
  burst.count = 0;
}

// Frames that came out of tunnels. unsure: their checksums may be open, and nobody looked.
void from_tunnels(Burst& burst, bool unsure, Context& context) {
  parse(burst, context.counters);
  if (unsure) note_open_checksums(burst);
  restore_tags(burst, context);
  switch_frames(burst, context);
}

void from_vxlan_datagrams(Burst& burst, uint16_t port, uint16_t underlay, bool unsure, Context& context) {
  vxlan_from_datagrams(burst, port, underlay, context);
  from_tunnels(burst, unsure, context);
}

void from_datagram_underlay(Burst& burst, uint16_t port, uint16_t index, Context& context) {
  if (OVERLANE_LIKELY(context.underlays[index].esp == EspCarriage::none)) {
    return from_vxlan_datagrams(burst, port, index, false, context);
  }
  open_all(burst, index, context, [&](Burst& opened) { from_vxlan_datagrams(opened, port, index, false, context); });
}

// The frames with ESP of a burst; the others stay.
void from_esp_frames(Burst& burst, uint16_t port, Context& context) {
  for (;;) {
    Burst esp;
    const uint16_t underlay = esp_decap(burst, port, esp, context);
    if (underlay == kNoUnderlay) return;
    from_datagram_underlay(esp, port, underlay, context);
  }
}

// Complete outer packets, unencrypted.
void from_outer_frames(Burst& burst, uint16_t port, bool live, Context& context) {
  vxlan_decap(burst, port, context);
  from_tunnels(burst, live, context);
}

// As many as there are, and trains of them that a sender on this machine made, in order.
void from_outer_trains(Burst& burst, uint16_t port, Context& context) {
  Burst frames;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    if (!is_outer_train(*packet)) {
      frames.packets[frames.count++] = packet;
      continue;
    }
    if (frames.count > 0) from_outer_frames(frames, port, true, context);
    Burst datagrams;
    const uint16_t underlay = vxlan_from_train(packet, port, datagrams, context);
    if (underlay != kNoUnderlay) from_vxlan_datagrams(datagrams, port, underlay, true, context);
  }
  burst.count = 0;
  if (frames.count > 0) from_outer_frames(frames, port, true, context);
}

// With ESP among them a train comes apart first: each datagram is sealed for itself.
void from_encrypted_frames(Burst& burst, uint16_t port, bool live, Context& context) {
  finish_all(
      burst, context, [](const Packet& p) { return !is_outer_train(p); },
      [&](Burst& whole) {
        from_esp_frames(whole, port, context);
        from_outer_frames(whole, port, live, context);
      });
}

void from_frame_underlay(Burst& burst, uint16_t port, Context& context) {
  const std::vector<uint16_t>& carried = context.carried[port];
  const bool live = context.underlays[carried.front()].resolve;
  const bool encrypted = std::any_of(carried.begin(), carried.end(),
                                     [&](uint16_t i) { return context.underlays[i].esp != EspCarriage::none; });
  parse(burst, context.counters);
  if (OVERLANE_UNLIKELY(encrypted)) return from_encrypted_frames(burst, port, live, context);
  const bool trains =
      live && std::any_of(burst.packets, burst.packets + burst.count, [](Packet* p) { return is_outer_train(*p); });
  if (OVERLANE_UNLIKELY(trains)) return from_outer_trains(burst, port, context);
  from_outer_frames(burst, port, live, context);
}

}  // namespace

void carry(Burst& burst, uint16_t port, Context& context) {
  CounterRow& row = context.counters.port(port);
  const Member& member = context.members[port];
  arrive(burst, port, member.untagged, row);
  if (OVERLANE_UNLIKELY(context.mirrors.any())) mirror(burst, port, Direction::received, context);
  if (OVERLANE_UNLIKELY(!member.lanes.empty())) {
    parse(burst, context.counters);
    from_trunk(burst, port, context);
  } else if (member.bridge != kNoBridge) {
    parse(burst, context.counters);
    assign_domains(burst, member, context);
    switch_frames(burst, context);
  } else if (!context.carried[port].empty()) {
    const uint16_t underlay = context.carried[port].front();
    if (context.underlays[underlay].datagrams) {
      from_datagram_underlay(burst, port, underlay, context);
    } else {
      from_frame_underlay(burst, port, context);
    }
  } else {
    parse(burst, context.counters);
    drop_all(burst, Counter::drop_no_receiver, context.counters);
  }
  context.fdb->age(context.tick, kAgeSlots, row);
  context.output.flush(context);
}

}  // namespace overlane
