#include "stage/bridge.h"

#include <cstring>

#include "wire/ethernet.h"

namespace overlane {

namespace {

// Where copies of a flooded packet go, in order: local ports first, then tunnels. Never back, never isolated to
// isolated, never from one VTEP to another.
class FloodTargets {
 public:
  FloodTargets(const Packet& packet, const Context& context)
      : context_(context), domain_(context.domains[packet.domain]), source_(packet.source) {
    remote_ = is_tunnel(source_);
    isolated_ = !remote_ && context.members[packet.ingress].isolated;
  }

  // kNowhere after the last one.
  Place next() {
    while (port_ < domain_.ports.size()) {
      uint16_t port = domain_.ports[port_++];
      if (port != source_ && !(isolated_ && context_.members[port].isolated)) return port;
    }
    if (!remote_ && tunnel_ < domain_.replicate.size()) return domain_.replicate[tunnel_++];
    return kNowhere;
  }

 private:
  const Context& context_;
  const Domain& domain_;
  Place source_;
  bool remote_;
  bool isolated_;
  size_t port_ = 0;
  size_t tunnel_ = 0;
};

OVERLANE_INLINE void send(Packet* packet, Place to, Context& context) {
  if (is_tunnel(to)) {
    context.output.to_tunnel(to, context.tunnels[tunnel_index(to)].underlay, packet, context);
  } else {
    context.output.to_port(static_cast<uint16_t>(to), packet, context);
  }
}

}  // namespace

void send_copy(const Packet& packet, Place to, Context& context) {
  Packet* copy = context.pools.clone(packet);
  if (copy == nullptr) {  // the lanes hold what is missing from the pool
    context.output.flush(context);
    copy = context.pools.clone(packet);
  }
  CounterRow& row = context.counters.port(packet.ingress);
  row.add(Counter::cloned);
  if (copy == nullptr) return row.add(Counter::drop_pool_empty);
  send(copy, to, context);
}

namespace {

OVERLANE_NOINLINE void flood(Packet* packet, Context& context) {
  const Domain& domain = context.domains[packet->domain];
  const Mac mac = destination_mac(packet->data);
  Counters& counters = context.counters;
  if (!is_group(mac)) {
    if (!domain.flood_unknown) return counters.drop(packet, Counter::drop_unknown_unicast);
  } else if (mac == kBroadcast) {
    if (!domain.flood_broadcast) return counters.drop(packet, Counter::drop_broadcast);
  } else {
    if (is_link_local(mac)) return counters.drop(packet, Counter::drop_link_local);
    if (!domain.flood_multicast) return counters.drop(packet, Counter::drop_multicast);
  }
  FloodTargets targets(*packet, context);
  Place to = targets.next();
  if (to == kNowhere) return counters.drop(packet, Counter::drop_no_destination);
  counters.port(packet->ingress).add(Counter::flooded);
  for (Place after = targets.next(); after != kNowhere; after = targets.next()) {
    send_copy(*packet, to, context);
    to = after;
  }
  send(packet, to, context);
}

// Known destination: sends, or drops what may not go there; says which. `isolated`: the source is an isolated local
// port.
OVERLANE_INLINE bool forward(Packet* packet, Place to, bool isolated, Context& context) {
  if (OVERLANE_UNLIKELY(to == packet->source)) return context.counters.drop(packet, Counter::drop_same_port), false;
  if (OVERLANE_UNLIKELY(is_tunnel(to) && is_tunnel(packet->source))) {
    return context.counters.drop(packet, Counter::drop_split_horizon), false;
  }
  if (OVERLANE_UNLIKELY(isolated && !is_tunnel(to) && context.members[to].isolated)) {
    return context.counters.drop(packet, Counter::drop_isolated), false;
  }
  send(packet, to, context);
  return true;
}

struct Keys {
  FdbKey source[kMaxBurst];
  FdbKey destination[kMaxBurst];
  Place from[kMaxBurst];
  uint8_t learns[kMaxBurst];
};

bool learns(const Packet& packet, const Context& context) {
  const Domain& domain = context.domains[packet.domain];
  if (is_tunnel(packet.source)) return domain.learn_remote;
  return domain.learning && context.members[packet.ingress].learning;
}

// Fills the keys; drops what has no station as its source.
OVERLANE_INLINE void classify(Burst& burst, Keys& keys, Context& context) {
  uint32_t kept = 0;
  uint16_t domain = kNoDomain;
  bool learn = false;
  Mac gateway = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    const Mac source = source_mac(packet->data);
    if (OVERLANE_UNLIKELY(source == 0 || is_group(source))) {
      context.counters.drop(packet, Counter::drop_source_invalid);
      continue;
    }
    if (OVERLANE_UNLIKELY(packet->domain != domain)) {  // a burst is from one port, mostly into one domain
      domain = packet->domain;
      learn = learns(*packet, context);
      gateway = context.domains[domain].gateway_mac;
    }
    keys.source[kept] = fdb_key(domain, source);
    keys.destination[kept] = fdb_key(domain, destination_mac(packet->data));
    keys.from[kept] = packet->source;
    keys.learns[kept] = learn & (source != gateway);  // every node has that MAC
    burst.packets[kept++] = packet;
  }
  burst.count = kept;
}

}  // namespace

void learn_sources(Burst& burst, Context& context) {
  Keys keys;
  uint32_t at[kMaxBurst];
  uint8_t conflict[kMaxBurst];
  classify(burst, keys, context);
  if (burst.count == 0) return;
  std::memset(conflict, 0, burst.count);
  context.fdb->locate(keys.source, burst.count, at);
  CounterRow& row = context.counters.port(burst.packets[0]->ingress);
  if (context.fdb->learn(keys.source, at, keys.from, keys.learns, burst.count, context.tick, conflict, row) == 0)
    return;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    if (conflict[i]) {
      context.counters.drop(burst.packets[i], Counter::drop_source_static);
    } else {
      burst.packets[kept++] = burst.packets[i];
    }
  }
  burst.count = kept;
}

void bridge(Burst& burst, Context& context) {
  Keys keys;
  uint32_t source_at[kMaxBurst];
  uint32_t destination_at[kMaxBurst];
  Place to[kMaxBurst];
  uint8_t conflict[kMaxBurst];
  classify(burst, keys, context);
  if (burst.count == 0) return;
  std::memset(conflict, 0, burst.count);
  const Packet& first = *burst.packets[0];
  const bool isolated = !is_tunnel(first.source) && context.members[first.ingress].isolated;
  context.fdb->locate(keys.source, burst.count, source_at);
  context.fdb->locate(keys.destination, burst.count, destination_at);
  const uint32_t conflicts = context.fdb->learn(keys.source, source_at, keys.from, keys.learns, burst.count,
                                                context.tick, conflict, context.counters.port(first.ingress));
  context.fdb->look_up(keys.destination, destination_at, burst.count, context.tick, to);
  // A burst comes from one port, so what was right for a local port once is right for it again. What was routed may go
  // to more of them, and comes last.
  Place last = kNowhere;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    if (OVERLANE_UNLIKELY(conflicts != 0 && conflict[i])) {
      context.counters.drop(packet, Counter::drop_source_static);
    } else if (to[i] == last && last != kNowhere) {
      context.output.to_same_port(static_cast<uint16_t>(last), packet, context);
    } else if (OVERLANE_LIKELY(to[i] != kNowhere)) {
      last = forward(packet, to[i], isolated, context) && !is_tunnel(to[i]) ? to[i] : kNowhere;
    } else {
      flood(packet, context);
      last = kNowhere;  // it may have sent the lanes off to free packets
    }
  }
  burst.count = 0;
}

}  // namespace overlane
