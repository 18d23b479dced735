#include "stage/proxy_arp.h"

#include "wire/arp.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

namespace overlane {

namespace proxy_detail {

Mac answer_for(const Packet& packet, IpAddress target, Mac asker, Context& context, bool& known) {
  const Neighbor* neighbor = context.neighbors.find(packet.domain, target);
  known = neighbor != nullptr;
  if (!known || neighbor->mac == asker) return 0;
  const Place place = context.fdb->look_up(fdb_key(packet.domain, neighbor->mac), context.tick);
  return place == packet.source ? 0 : neighbor->mac;
}

void snoop(const Packet& packet, IpAddress ip, Mac mac, Context& context) {
  if (mac == 0 || is_group(mac) || mac != source_mac(packet.data)) return;
  CounterRow& row = context.counters.port(packet.ingress);
  switch (context.neighbors.learn(packet.domain, ip, mac)) {
    case NeighborTable::Learned::changed:
      context.misses.forget(packet.domain, ip);
      context.news.add({News::Kind::neighbor, packet.domain, kNowhere, mac, ip});
      return row.add(Counter::neighbor_learned);
    case NeighborTable::Learned::refused:
      return row.add(Counter::neighbor_refused);
    case NeighborTable::Learned::kept:
      return;
  }
}

namespace {

bool is_station(const uint8_t* ip) {
  return load<uint32_t>(ip) != 0 && ip[0] < 224 && ip[0] != 127;
}

}  // namespace

void reply_arp(Packet& packet, Mac mac) {
  auto& arp = *reinterpret_cast<Arp*>(packet.data + packet.headers.l3);
  const Mac asker = load_mac(arp.sender_mac);
  const uint32_t asker_ip = load<uint32_t>(arp.sender_ip);
  const uint32_t target_ip = load<uint32_t>(arp.target_ip);
  auto& ethernet = *reinterpret_cast<Ethernet*>(packet.data);
  store_mac(ethernet.destination, asker);
  store_mac(ethernet.source, mac);
  arp.operation = arp::kReply;
  store_mac(arp.sender_mac, mac);
  store(arp.sender_ip, target_ip);
  store_mac(arp.target_mac, asker);
  store(arp.target_ip, asker_ip);
}

Verdict handle_arp(Packet& packet, const Domain& domain, Context& context) {
  auto& arp = *reinterpret_cast<Arp*>(packet.data + packet.headers.l3);
  if (!is_ipv4_over_ethernet(arp)) return Verdict::pass;
  const bool remote = is_tunnel(packet.source);
  if (domain.arp_snooping && is_station(arp.sender_ip) && (!remote || domain.learn_remote)) {
    snoop(packet, IpAddress::v4(arp.sender_ip), load_mac(arp.sender_mac), context);
  }
  if (!domain.proxy_arp || remote || arp.operation != arp::kRequest || !is_station(arp.target_ip)) {
    return Verdict::pass;
  }
  if (load<uint32_t>(arp.sender_ip) == load<uint32_t>(arp.target_ip)) return Verdict::pass;  // announcement, RFC 5227
  const Mac asker = load_mac(arp.sender_mac);
  if (asker != source_mac(packet.data)) return Verdict::pass;  // asked on behalf of another: not for a proxy to answer
  bool known;
  const IpAddress target = IpAddress::v4(arp.target_ip);
  const Mac mac = answer_for(packet, target, asker, context, known);
  if (mac != 0) {
    reply_arp(packet, mac);
    context.counters.port(packet.ingress).add(Counter::arp_replied);
    return Verdict::answered;
  }
  if (known || !is_group(destination_mac(packet.data))) return Verdict::pass;
  return Verdict::unknown;
}

}  // namespace proxy_detail

namespace {

using proxy_detail::Verdict;

IpAddress target_of(const Packet& packet) {
  if (packet.headers.ether_type == ether_type::kArp) {
    return IpAddress::v4(reinterpret_cast<const Arp*>(packet.data + packet.headers.l3)->target_ip);
  }
  return IpAddress::v6(reinterpret_cast<const NeighborMessage*>(packet.data + packet.headers.l4)->target);
}

void raise_miss(const Packet& packet, Context& context) {
  CounterRow& row = context.counters.port(packet.ingress);
  switch (context.misses.raise({target_of(packet), packet.domain, packet.ingress, packet.time})) {
    case MissQueue::Raised::queued:
      return row.add(Counter::miss);
    case MissQueue::Raised::lost:
      return row.add(Counter::miss_lost);
    case MissQueue::Raised::quiet:
      return;
  }
}

OVERLANE_INLINE Verdict handle(Packet& packet, Context& context) {
  const Headers& h = packet.headers;
  const Domain& domain = context.domains[packet.domain];
  if (OVERLANE_LIKELY(h.ether_type != ether_type::kArp && h.protocol != ip_protocol::kIcmpv6)) return Verdict::pass;
  if (h.status != ParseStatus::ok || !(domain.proxy_arp || domain.arp_snooping)) return Verdict::pass;
  return h.ether_type == ether_type::kArp ? proxy_detail::handle_arp(packet, domain, context)
                                          : proxy_detail::handle_nd(packet, domain, context);
}

}  // namespace

void proxy_arp(Burst& burst, Context& context) {
  if (!context.asks_neighbors) return;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    const Verdict verdict = handle(*packet, context);
    if (OVERLANE_LIKELY(verdict == Verdict::pass)) {
      burst.packets[kept++] = packet;
    } else if (verdict == Verdict::answered) {
      context.output.to_port(static_cast<uint16_t>(packet->source), packet, context);
    } else {
      raise_miss(*packet, context);
      if (context.domains[packet->domain].flood_miss) {
        burst.packets[kept++] = packet;
      } else {
        context.counters.drop(packet, Counter::drop_neighbor_unknown);
      }
    }
  }
  burst.count = kept;
}

}  // namespace overlane
