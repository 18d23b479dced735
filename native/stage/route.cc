#include "stage/route.h"

#include <algorithm>
#include <cstddef>

#include "stage/bridge.h"
#include "stage/proxy_arp.h"
#include "stage/vlan_tag.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace overlane {

namespace route_detail {

bool is_in_network(const Packet& packet, const Domain& domain) {
  const Headers& h = packet.headers;
  if (!(h.flags & kTagged)) return true;
  return h.l3 == sizeof(Ethernet) + sizeof(VlanTag) && (h.vlan == 0 || h.vlan == domain.vlan);
}

}  // namespace route_detail

namespace {

using namespace route_detail;

// The header that is routed by, of either version.
struct Datagram {
  IpAddress source, destination;
  uint8_t ttl;  // hop limit
};

// Parse looks further than a router does: what is broken above IP is none of its affairs.
bool has_whole_ip(const Headers& h) {
  return h.status == ParseStatus::ok || h.status >= ParseStatus::udp_truncated;
}

// Reads the header; drops what RFC 1812, section 5.2.2, has dropped.
bool read(Packet* packet, Datagram& out, Context& context) {
  const Headers& h = packet->headers;
  if (!has_whole_ip(h)) return context.counters.drop(packet, Counter::drop_route_malformed), false;
  if (h.ip_version == 4) {
    const auto& ip = *reinterpret_cast<const Ipv4*>(packet->data + h.l3);
    const size_t header = (ip.version_ihl & 15) * 4u;
    if (checksum_fold(checksum_add(packet->data + h.l3, header)) != 0xffff) {
      return context.counters.drop(packet, Counter::drop_route_checksum), false;
    }
    out = {IpAddress::v4(ip.source), IpAddress::v4(ip.destination), ip.ttl};
  } else {
    const auto& ip = *reinterpret_cast<const Ipv6*>(packet->data + h.l3);
    out = {IpAddress::v6(ip.source), IpAddress::v6(ip.destination), ip.hop_limit};
    // v4-mapped is never on a wire (RFC 4291, section 2.5.5.2), and means IPv4 in our tables.
    if (out.source.is_v4() || out.destination.is_v4()) {
      return context.counters.drop(packet, Counter::drop_route_martian), false;
    }
  }
  return true;
}

// 169.254.0.0/16 (RFC 3927, section 2.7) or fe80::/10 (RFC 4291, section 2.5.6).
bool is_link_local(IpAddress ip) {
  uint8_t bytes[16];
  return ip.write(bytes) == 4 ? bytes[0] == 169 && bytes[1] == 254 : bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

// No address of one host: 0.0.0.0/8, loopback, multicast, reserved and broadcast (RFC 1812, section 5.3.7; RFC 4291,
// section 2).
bool is_no_station(IpAddress ip) {
  uint8_t bytes[16];
  if (ip.write(bytes) == 4) return bytes[0] == 0 || bytes[0] == 127 || bytes[0] >= 224;
  return bytes[0] == 0xff || (ip.high == 0 && (ip.low == 0 || ip.low == uint64_t{1} << 56));
}

// Bytes of the longest IP packet that it is, or comes apart into.
uint32_t ip_length(const Packet& packet) {
  const Headers& h = packet.headers;
  const uint32_t whole = h.end - h.l3;
  return packet.segment == 0 ? whole : std::min(whole, uint32_t{h.payload} - h.l3 + packet.segment);
}

void count_hop(Packet& packet) {
  uint8_t* header = packet.data + packet.headers.l3;
  if (packet.headers.ip_version == 6) {
    --reinterpret_cast<Ipv6*>(header)->hop_limit;
    return;
  }
  constexpr uint32_t kTtlAndProtocol = offsetof(Ipv4, ttl), kChecksum = offsetof(Ipv4, checksum);
  const auto before = load<uint16_t>(header + kTtlAndProtocol);
  --header[kTtlAndProtocol];
  const auto after = load<uint16_t>(header + kTtlAndProtocol);
  store(header + kChecksum, checksum_update(load<uint16_t>(header + kChecksum), before, after));
}

void readdress(Packet& packet, Mac to, uint16_t domain, Context& context) {
  const Domain& target = context.domains[domain];
  pop_vlan_tag(packet);
  store_mac(packet.data, to);
  store_mac(packet.data + 6, target.gateway_mac);
  if (target.vlan != kNoVlan) push_vlan_tag(packet, target.vlan);
  packet.domain = domain;
  packet.source = kRouted;
}

// A packet that is not for the router itself. True: it goes on.
bool forward(Packet* packet, const Datagram& datagram, const RouteEntry* route, Context& context) {
  if (is_link_local(datagram.source) || is_link_local(datagram.destination) || is_no_station(datagram.destination) ||
      (route != nullptr && route->kind == RouteEntry::Kind::broadcast)) {
    return context.counters.drop(packet, Counter::drop_route_martian), false;
  }
  if (datagram.ttl <= 1) return refuse(packet, kTimeExceeded, 0, context), false;
  if (route == nullptr) return refuse(packet, kNoRoute, 0, context), false;
  const RouterInterface& out = context.interfaces[route->interface];
  const Neighbor* neighbor = context.neighbors.find(out.domain, datagram.destination);
  if (neighbor == nullptr) {
    proxy_detail::raise_miss({datagram.destination, out.domain, packet->ingress, packet->time}, context);
    return refuse(packet, kNoNeighbor, 0, context), false;
  }
  if (ip_length(*packet) > out.mtu) return refuse(packet, kTooBig, out.mtu, context), false;
  count_hop(*packet);
  readdress(*packet, neighbor->mac, out.domain, context);
  context.counters.port(packet->ingress).add(Counter::routed);
  return true;
}

// True: it goes on.
bool handle(Packet* packet, Context& context) {
  const Domain& domain = context.domains[packet->domain];
  const uint16_t type = packet->headers.ether_type;
  if (!is_in_network(*packet, domain)) return context.counters.drop(packet, Counter::drop_gateway_vlan), false;
  if (type != ether_type::kIpv4 && type != ether_type::kIpv6) {
    return context.counters.drop(packet, Counter::drop_gateway_other), false;
  }
  Datagram datagram;
  if (!read(packet, datagram, context)) return false;
  const uint16_t router = context.interfaces[domain.gateway].router;
  if (is_no_station(datagram.source) || context.routes.is_local(router, datagram.source)) {
    return context.counters.drop(packet, Counter::drop_route_martian), false;
  }
  const RouteEntry* to = context.routes.find(router, datagram.destination);
  if (to == nullptr || to->kind != RouteEntry::Kind::local) return forward(packet, datagram, to, context);
  receive(packet, context);
  return false;
}

// What is for routers goes from `burst` to `ours`.
void take_ours(Burst& burst, Burst& ours, Context& context) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    const Mac gateway = context.domains[packet->domain].gateway_mac;
    if (gateway == 0) {
      burst.packets[kept++] = packet;
    } else if (source_mac(packet->data) == gateway && !is_tunnel(packet->source)) {
      context.counters.drop(packet, Counter::drop_source_static);
    } else if (destination_mac(packet->data) != gateway) {
      burst.packets[kept++] = packet;
    } else if (is_tunnel(packet->source)) {
      context.counters.drop(packet, Counter::drop_gateway_remote);
    } else {
      ours.packets[ours.count++] = packet;
    }
  }
  burst.count = kept;
}

}  // namespace

void route(Burst& burst, Context& context) {
  if (OVERLANE_LIKELY(!context.has_gateways)) return;
  Burst ours;
  take_ours(burst, ours, context);
  if (ours.count == 0) return;
  learn_sources(ours, context);
  for (uint32_t i = 0; i < ours.count; ++i) {
    // Behind those that bridge() got anyway, as it wants them.
    if (handle(ours.packets[i], context)) burst.packets[burst.count++] = ours.packets[i];
  }
}

}  // namespace overlane
