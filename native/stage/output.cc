#include "stage/output.h"

#include <algorithm>

#include "port/port.h"
#include "stage/context.h"
#include "stage/esp_frame.h"
#include "stage/finish.h"
#include "stage/seal.h"
#include "stage/vlan_tag.h"
#include "stage/vxlan_datagram.h"
#include "stage/vxlan_encap.h"
#include "stage/vxlan_train.h"

namespace overlane {

namespace {

uint64_t bytes_of(const Burst& burst) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < burst.count; ++i) bytes += burst.packets[i]->length;
  return bytes;
}

uint32_t frame_length(const Packet& packet) {
  return packet.segment == 0 ? packet.length
                             : std::min(packet.length, uint32_t{packet.headers.payload} + packet.segment);
}

// Towards the untagged network of a trunk goes what has no tag, or one of priority only.
bool fits_untagged(const Packet& packet) {
  return !(packet.headers.flags & kTagged) || has_priority_tag(packet);
}

// For a VLAN of a trunk. A tag of priority only becomes that of the VLAN.
bool set_tag(Packet& packet, uint16_t vlan) {
  if (has_priority_tag(packet)) return set_vlan(packet, vlan), true;
  if (packet.headroom() < sizeof(VlanTag)) return false;
  push_vlan_tag(packet, vlan);
  return true;
}

void set_tags(Burst& burst, uint16_t vlan, Context& context) {
  const Counter reason = vlan == 0 ? Counter::drop_vlan_unknown : Counter::drop_headroom;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    if (vlan == 0 ? fits_untagged(*packet) : set_tag(*packet, vlan)) {
      burst.packets[kept++] = packet;
    } else {
      context.counters.drop(packet, reason);
    }
  }
  burst.count = kept;
}

}  // namespace

void Output::set_port(uint16_t index, Port* port, uint32_t longest) {
  links_[index].index = index;
  for (Link& link : links_) {
    if (link.index == index) link = {port, longest, index, link.vlan};
  }
}

void Output::set_lane(uint16_t lane, uint16_t port, uint16_t vlan) {
  links_[lane] = {links_[port].port, links_[port].longest, port, vlan};
}

void Output::resize(size_t ports, size_t underlays) {
  links_.resize(ports);
  ports_.resize(ports);
  underlays_.resize(underlays);
  touched_ports_.reserve(ports + 1);
  touched_underlays_.reserve(underlays + 1);
}

void Output::flush(Context& context) {
  for (uint16_t index : touched_underlays_) {
    encapsulate(index, underlays_[index].burst, context);
    underlays_[index].touched = false;
  }
  touched_underlays_.clear();
  for (uint16_t index : touched_ports_) {
    transmit(index, ports_[index].burst, context);
    ports_[index].touched = false;
  }
  touched_ports_.clear();
}

void Output::encapsulate(uint16_t index, Burst& burst, Context& context) {
  const Underlay& underlay = context.underlays[index];
  if (underlay.esp != EspCarriage::none) return encrypt(underlay, burst, context);
  if (underlay.datagrams) {
    // Such a port cuts and completes by itself, but only what the frame's own headers say.
    return finish_all(
        burst, context, [](const Packet& packet) { return !(packet.flags & kInnerOffload); },
        [&](Burst& finished) {
          vxlan_to_datagrams(finished, underlay, context);
          hand_over(underlay.carrier, finished, bytes_of(finished), context);
        });
  }
  const bool trains = links_[underlay.carrier].port->offloads() & kTakesTrains;
  finish_all(
      burst, context, [](const Packet& packet) { return packet.is_ordinary(); },
      [&](Burst& finished) {
        vxlan_encap(finished, underlay, context);
        if (trains && !context.mirrors.any()) gather_trains(finished, context);  // a capture shows what is on the wire
        hand_over(underlay.carrier, finished, bytes_of(finished), context);
      },
      [&](Packet* packet, Packet** out, uint32_t max, Context&) {
        const uint32_t made = trains && packet->segment != 0 ? vxlan_train(packet, underlay, out, max, context) : 0;
        return made != 0 ? made : finish(packet, out, max, context);
      });
}

void Output::encrypt(const Underlay& underlay, Burst& burst, Context& context) {
  const auto send = [&](Burst& sealed) {
    if (!underlay.datagrams) esp_encap(sealed, underlay, context);
    hand_over(underlay.carrier, sealed, bytes_of(sealed), context);
  };
  // seal() takes super-frames where trains may leave; what else is unfinished could not be finished any more.
  const auto fine = [&](const Packet& packet) {
    return packet.is_ordinary() || (underlay.trains && packet.segment != 0 && !(packet.flags & kInnerOffload));
  };
  finish_all(burst, context, fine, [&](Burst& finished) {
    if (!underlay.datagrams) keep_resolved(finished, context);
    vxlan_to_datagrams(finished, underlay, context);
    seal_all(finished, underlay, context, send);
  });
}

void Output::transmit(uint16_t lane, Burst& burst, Context& context) {
  const Link& link = links_[lane];
  const uint32_t longest = link.longest;
  const uint16_t port = link.index;
  if (OVERLANE_UNLIKELY(link.vlan != kNoVlan)) set_tags(burst, link.vlan, context);
  uint32_t fits = 0;
  uint64_t bytes = 0;
  uint32_t unfinished = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    if (OVERLANE_UNLIKELY(packet->length > longest && frame_length(*packet) > longest)) {
      context.counters.drop(packet, Counter::drop_mtu);
      continue;
    }
    bytes += packet->length;
    unfinished |= load<uint32_t>(&packet->segment);
    burst.packets[fits++] = packet;
  }
  burst.count = fits;
  if (OVERLANE_LIKELY(unfinished == 0)) return hand_over(port, burst, bytes, context);
  const uint8_t offloads = link.port->offloads();
  finish_all(
      burst, context, [&](const Packet& packet) { return takes(packet, offloads); },
      [&](Burst& finished) { hand_over(port, finished, bytes_of(finished), context); });
}

void Output::hand_over(uint16_t port, Burst& burst, uint64_t bytes, Context& context) {
  if (burst.count == 0) return;
  CounterRow& row = context.counters.port(port);
  row.add(Counter::tx_packets, burst.count);
  row.add(Counter::tx_bytes, bytes);
  if (OVERLANE_UNLIKELY(context.mirrors.any())) mirror(burst, port, Direction::transmitted, context);
  Port& to = *links_[port].port;
  const uint32_t taken = to.transmit(burst.packets, burst.count, row);
  for (uint32_t i = taken; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    row.add(Counter::tx_packets, uint64_t{0} - 1);
    row.add(Counter::tx_bytes, uint64_t{0} - packet->length);
    context.counters.port(packet->ingress).add_lost(*packet, to.refusal());
    release(packet);
  }
  burst.count = 0;
}

}  // namespace overlane
