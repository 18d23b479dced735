#include "stage/next_hop.h"

#include <algorithm>
#include <cstring>

#include "stage/parse.h"
#include "stage/vlan_tag.h"
#include "stage/vxlan_encap.h"
#include "wire/ipv4.h"

namespace overlane {

using namespace next_hop_detail;
using State = NextHop::State;

namespace {

constexpr Nanos kSecond = 1'000'000'000;
constexpr Nanos kRetry = kSecond;       // RFC 4861, section 10: RETRANS_TIMER
constexpr uint8_t kTries = 3;           // MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT
constexpr Nanos kFresh = 30 * kSecond;  // REACHABLE_TIME
constexpr Nanos kPause = 5 * kSecond;
constexpr Nanos kTellAgain = kSecond / 2;  // less than kRetry: an answer to another worker's question gets there

CounterRow& row_of(const NextHop& hop, Context& context) {
  return context.counters.port(context.underlays[hop.underlay].carrier);
}

void count_waiting(const Packet& packet, uint64_t change, Context& context) {
  context.counters.port(packet.ingress).add(Counter::waiting, change);
}

// Packets of the hop's tunnels go without asking here, or they come to pass_next_hop.
void open_tunnels(const NextHop& hop, bool open, Context& context) {
  for (uint32_t i = hop.tunnels; i != kNoTunnel; i = context.tunnels[i].next_of_hop) context.tunnels[i].resolved = open;
}

void set_mac(NextHop& hop, Mac mac, Context& context) {
  hop.mac = mac;
  for (uint32_t i = hop.tunnels; i != kNoTunnel; i = context.tunnels[i].next_of_hop) {
    point_tunnel(context.tunnels[i], mac);
  }
}

void drop_waiting(Packet* packet, Context& context) {
  count_waiting(*packet, uint64_t{0} - 1, context);
  context.counters.drop(packet, Counter::drop_next_hop_unknown);
}

void drop_all_waiting(NextHop& hop, Context& context) {
  while (Packet* packet = context.next_hops.take_waiting(hop)) drop_waiting(packet, context);
}

void send_waiting(NextHop& hop, Context& context) {
  while (Packet* packet = context.next_hops.take_waiting(hop)) {
    count_waiting(*packet, uint64_t{0} - 1, context);
    context.output.to_tunnel(packet->source, hop.underlay, packet, context);
  }
}

void hold(Packet* packet, NextHop& hop, uint32_t index, Context& context) {
  NextHops& hops = context.next_hops;
  if (hop.waiting == NextHops::kWaitingEach) drop_waiting(hops.take_waiting(hop), context);
  while (!hops.has_room(*packet->pool)) {
    Packet* oldest = hops.take_oldest();
    if (oldest == nullptr) return context.counters.drop(packet, Counter::drop_next_hop_unknown);
    drop_waiting(oldest, context);
  }
  const Tunnel& tunnel = context.tunnels[tunnel_index(packet->source)];
  if (tunnel.untag && context.underlays[tunnel.underlay].esp != EspCarriage::none) pop_vlan_tag(*packet);
  packet->headers.flags &= static_cast<uint8_t>(~kTagged);  // the tag is off, and it comes by encap once more
  count_waiting(*packet, 1, context);
  hops.wait(index, packet);
}

void ask(NextHop& hop, Context& context) {
  ++hop.asked;
  context.next_hops.set_due(hop, context.now + kRetry);
  Packet* packet = context.pools.take(kLongestMessage);
  if (packet == nullptr) return;  // there is another try
  const Underlay& underlay = context.underlays[hop.underlay];
  packet->length = underlay.local.is_v4() ? write_arp_request(packet->data, underlay, hop)
                                          : write_solicitation(packet->data, underlay, hop);
  originate(packet, underlay.carrier, context);
}

void start(NextHop& hop, State state, Context& context) {
  hop.state = state;
  hop.asked = 0;
  ask(hop, context);
}

void go_stale(NextHop& hop, Context& context) {
  hop.state = State::stale;
  hop.due = kNever;
  open_tunnels(hop, false, context);
}

void give_up(NextHop& hop, Context& context) {
  row_of(hop, context).add(Counter::next_hop_failed);
  drop_all_waiting(hop, context);
  const bool had_mac = hop.mac != 0;
  if (had_mac) set_mac(hop, 0, context);
  hop.state = had_mac ? State::idle : State::silent;
  context.next_hops.set_due(hop, had_mac ? kNever : context.now + kPause);
}

// The state of the hop is over.
void step(NextHop& hop, Context& context) {
  switch (hop.state) {
    case State::asking:
    case State::probing:
      return hop.asked < kTries ? ask(hop, context) : give_up(hop, context);
    case State::fresh:
      return go_stale(hop, context);
    case State::silent:
    case State::idle:
    case State::stale:
      hop.state = hop.mac == 0 ? State::idle : State::stale;
      hop.due = kNever;
  }
}

void accept(NextHop& hop, Mac mac, bool confirmed, Context& context) {
  if (hop.mac != mac) set_mac(hop, mac, context);
  if (confirmed) {
    if (hop.state == State::stale) open_tunnels(hop, true, context);
    hop.state = State::fresh;
    hop.confirmed = context.now;
    context.next_hops.set_due(hop, context.now + kFresh);
  } else {
    go_stale(hop, context);
  }
  send_waiting(hop, context);
}

bool is_inside(IpAddress ip, const Underlay& underlay) {
  uint8_t a[16], b[16];
  const unsigned bits = std::min<unsigned>(underlay.prefix_length, ip.write(a) * 8);
  underlay.local.write(b);
  const unsigned whole = bits / 8, rest = bits % 8;
  return std::memcmp(a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

IpAddress next_hop_towards(IpAddress vtep, uint16_t index, Context& context) {
  const Underlay& underlay = context.underlays[index];
  if (!underlay.gateway || is_inside(vtep, underlay)) return vtep;
  const uint32_t own = context.next_hops.find(index, vtep);
  return own != kNoHop && context.next_hops[own].is_static ? vtep : *underlay.gateway;
}

void take_off(uint32_t index, NextHop& hop, Context& context) {
  uint32_t* at = &hop.tunnels;
  while (*at != index) at = &context.tunnels[*at].next_of_hop;
  *at = context.tunnels[index].next_of_hop;
  context.tunnels[index].hop = kNoHop;
  context.tunnels[index].next_of_hop = kNoTunnel;
}

}  // namespace

namespace next_hop_detail {

bool learn(uint16_t underlay, const Claim& claim, Context& context) {
  const uint32_t index = context.next_hops.find(underlay, claim.ip);
  if (index == kNoHop) return false;
  NextHop& hop = context.next_hops[index];
  const Mac mac = claim.mac == 0 && claim.solicited ? hop.mac : claim.mac;
  if (hop.is_static || mac == 0) return false;
  const bool changed = mac != hop.mac;
  if (changed && hop.mac != 0 && !claim.overrides) {
    if (hop.state != State::fresh) return false;
    return go_stale(hop, context), true;
  }
  if (!changed && !claim.solicited) return false;
  if (changed) row_of(hop, context).add(Counter::next_hop_resolved);
  if (changed || context.now - hop.confirmed >= kTellAgain) {
    context.news.add({News::Kind::next_hop, underlay, kNowhere, mac, claim.ip});
  }
  accept(hop, mac, claim.solicited, context);
  return true;
}

void originate(Packet* packet, uint16_t carrier, Context& context) {
  packet->time = context.now;
  store<uint64_t>(&packet->cut, 0);  // and segment, and flags
  packet->headers = parse_frame(packet->data, packet->length);
  packet->set_origin(carrier, carrier, kNoDomain);
  context.counters.port(carrier).add(Counter::originated);
  context.output.to_port(carrier, packet, context);
}

void consume(const Packet& packet, Context& context) {
  context.counters.port(packet.ingress).add(Counter::consumed);
}

}  // namespace next_hop_detail

bool pass_next_hop(Packet* packet, Context& context) {
  const Tunnel& tunnel = context.tunnels[tunnel_index(packet->source)];
  const bool resolve = context.underlays[tunnel.underlay].resolve && tunnel.hop != kNoHop;
  NextHop* hop = resolve ? &context.next_hops[tunnel.hop] : nullptr;
  if (!resolve || hop->is_static || hop->state == State::silent) {
    context.counters.drop(packet, Counter::drop_next_hop_unknown);
    return false;
  }
  if (hop->state == State::stale) {
    open_tunnels(*hop, true, context);
    start(*hop, State::probing, context);
  }
  if (hop->mac != 0) return true;
  if (hop->state == State::idle) start(*hop, State::asking, context);
  hold(packet, *hop, tunnel.hop, context);
  return false;
}

bool take_neighbor_message(Packet* packet, uint16_t carrier, Context& context) {
  const Headers& h = packet->headers;
  if (h.status != ParseStatus::ok || h.flags & (kTagged | kFragment)) return false;
  if (h.ether_type == ether_type::kArp) return take_arp(packet, carrier, context);
  return h.ip_version == 6 && h.protocol == ip_protocol::kIcmpv6 && take_nd(packet, carrier, context);
}

void next_hop_timer(Context& context) {
  NextHops& hops = context.next_hops;
  if (OVERLANE_LIKELY(context.now < hops.due())) return;
  for (uint32_t i = 0; i < hops.slots(); ++i) {
    if (hops[i].due <= context.now) step(hops[i], context);
  }
  hops.find_due();
  context.output.flush(context);
}

void link_tunnel(uint32_t index, Context& context) {
  Tunnel& tunnel = context.tunnels[index];
  const IpAddress ip = next_hop_towards(tunnel.vtep, tunnel.underlay, context);
  tunnel.hop = context.next_hops.add(tunnel.underlay, ip);
  NextHop& hop = context.next_hops[tunnel.hop];
  tunnel.next_of_hop = hop.tunnels;
  hop.tunnels = index;
  prepare_tunnel(tunnel, context.domains[tunnel.domain], context.underlays[tunnel.underlay], hop.mac);
  if (hop.state == State::stale) tunnel.resolved = false;
}

void unlink_tunnel(uint32_t index, Context& context) {
  Tunnel& tunnel = context.tunnels[index];
  if (tunnel.hop == kNoHop) return;
  const uint32_t of = tunnel.hop;
  NextHop& hop = context.next_hops[of];
  for (uint32_t left = hop.waiting; left > 0; --left) {
    Packet* packet = context.next_hops.take_waiting(hop);
    if (tunnel_index(packet->source) == index) {
      drop_waiting(packet, context);
    } else {
      context.next_hops.wait(of, packet);
    }
  }
  take_off(index, hop, context);
  if (hop.tunnels == kNoTunnel && !hop.is_static) context.next_hops.remove(of);
}

void set_static_next_hop(uint16_t underlay, IpAddress ip, Mac mac, Context& context) {
  const uint32_t index = context.next_hops.add(underlay, ip);
  context.next_hops[index].is_static = true;
  for (uint32_t i = 0; i < context.tunnels.size(); ++i) {  // those that went by the gateway
    Tunnel& tunnel = context.tunnels[i];
    if (!tunnel.used || tunnel.underlay != underlay || tunnel.vtep != ip || tunnel.hop == index) continue;
    unlink_tunnel(i, context);
    link_tunnel(i, context);
  }
  NextHop& hop = context.next_hops[index];
  hop.state = State::fresh;
  hop.due = kNever;
  set_mac(hop, mac, context);
  send_waiting(hop, context);
  context.output.flush(context);
}

void hear_next_hop(uint16_t underlay, IpAddress ip, Mac mac, Context& context) {
  const uint32_t index = context.next_hops.find(underlay, ip);
  if (index == kNoHop || context.next_hops[index].is_static || !context.underlays[underlay].resolve) return;
  NextHop& hop = context.next_hops[index];
  accept(hop, mac, hop.mac == 0 || hop.mac == mac, context);
  context.output.flush(context);
}

void forget_next_hops(uint16_t underlay, Context& context) {
  for (uint32_t i = 0; i < context.next_hops.slots(); ++i) {
    NextHop& hop = context.next_hops[i];
    if (!hop.used || hop.underlay != underlay) continue;
    drop_all_waiting(hop, context);
    while (hop.tunnels != kNoTunnel) take_off(hop.tunnels, hop, context);
    context.next_hops.remove(i);
  }
}

}  // namespace overlane
