#include "stage/vxlan_encap.h"

#include <cstddef>
#include <cstring>

#include "stage/ecn.h"
#include "stage/flow.h"
#include "stage/next_hop.h"
#include "stage/vlan_tag.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"

namespace overlane {

namespace {

struct OuterV4 {
  Ethernet ethernet;
  Ipv4 ip;
  Udp udp;
  Vxlan vxlan;
};
static_assert(sizeof(OuterV4) == 50);

struct OuterV6 {
  Ethernet ethernet;
  Ipv6 ip;
  Udp udp;
  Vxlan vxlan;
};
static_assert(sizeof(OuterV6) == 70);

constexpr uint32_t kTunnelHeader = sizeof(Udp) + sizeof(Vxlan);

OVERLANE_INLINE uint16_t source_port(uint32_t flow) {
  return vxlan::kSourcePortBase | (flow & vxlan::kSourcePortMask);
}

OVERLANE_INLINE void push_ipv4(Packet& packet, const Tunnel& tunnel, bool checksum) {
  const uint8_t ecn = outer_ecn(packet);
  const uint16_t port = source_port(flow_hash(packet.data, packet.headers));
  const uint32_t udp_length = packet.length + packet.cut + kTunnelHeader;
  const auto total_length = static_cast<uint16_t>(udp_length + sizeof(Ipv4));
  // One store of a cache line: what it writes before the header is headroom.
  std::memcpy(packet.data - kCacheLine, tunnel.header + sizeof tunnel.header - kCacheLine, kCacheLine);
  packet.data -= sizeof(OuterV4);
  packet.length += sizeof(OuterV4);
  auto& outer = *reinterpret_cast<OuterV4*>(packet.data);
  outer.ip.tos = ecn;
  outer.ip.total_length = total_length;
  store<uint16_t>(&outer.ip.checksum, ~checksum_fold(tunnel.ipv4_sum + (uint32_t{ecn} << 8) + swap16(total_length)));
  outer.udp.source = port;
  outer.udp.length = static_cast<uint16_t>(udp_length);
  if (checksum) fill_udp_checksum(reinterpret_cast<uint8_t*>(&outer.udp), udp_length, tunnel.pseudo_sum);
}

OVERLANE_INLINE void push_ipv6(Packet& packet, const Tunnel& tunnel, bool checksum) {
  const uint8_t ecn = outer_ecn(packet);
  const uint16_t port = source_port(flow_hash(packet.data, packet.headers));
  const uint32_t udp_length = packet.length + packet.cut + kTunnelHeader;
  packet.data -= sizeof(OuterV6);
  packet.length += sizeof(OuterV6);
  std::memcpy(packet.data, tunnel.header + sizeof tunnel.header - sizeof(OuterV6), sizeof(OuterV6));
  auto& outer = *reinterpret_cast<OuterV6*>(packet.data);
  outer.ip.version_class_flow.bytes[1] |= static_cast<uint8_t>(ecn << 4);
  outer.ip.payload_length = static_cast<uint16_t>(udp_length);
  outer.udp.source = port;
  outer.udp.length = static_cast<uint16_t>(udp_length);
  if (checksum) fill_udp_checksum(reinterpret_cast<uint8_t*>(&outer.udp), udp_length, tunnel.pseudo_sum);
}

void write_ethernet(Ethernet& ethernet, Mac destination, Mac source, uint16_t type) {
  store_mac(ethernet.destination, destination);
  store_mac(ethernet.source, source);
  ethernet.ether_type = type;
}

// The outer IP header, without lengths and checksum; `sum` becomes that of its words.
void write_ipv4(Ipv4& ip, const Underlay& underlay, const IpAddress& vtep, uint8_t protocol, uint64_t& sum) {
  ip.version_ihl = 0x45;
  ip.fragment = ipv4::kDontFragment;  // VTEPs do not fragment (RFC 7348, section 4.3); atomic, so no ID (RFC 6864)
  ip.ttl = underlay.ttl;
  ip.protocol = protocol;
  underlay.local.write(ip.source);
  vtep.write(ip.destination);
  sum = checksum_add(reinterpret_cast<uint8_t*>(&ip), sizeof(Ipv4));
}

void write_ipv6(Ipv6& ip, const Underlay& underlay, const IpAddress& vtep, uint8_t protocol) {
  ip.version_class_flow = 6u << 28;
  ip.next_header = protocol;
  ip.hop_limit = underlay.ttl;
  underlay.local.write(ip.source);
  vtep.write(ip.destination);
}

}  // namespace

void prepare_tunnel(Tunnel& tunnel, const Domain& domain, const Underlay& underlay, Mac next_hop) {
  std::memset(tunnel.header, 0, sizeof tunnel.header);
  tunnel.resolved = next_hop != 0;
  tunnel.untag = domain.vlan != kNoVlan;
  const bool v4 = tunnel.vtep.is_v4();
  const bool udp = underlay.esp != EspCarriage::ip;
  const uint8_t protocol = udp ? ip_protocol::kUdp : ip_protocol::kEsp;
  const size_t ip_length = v4 ? sizeof(Ipv4) : sizeof(Ipv6);
  tunnel.outer = static_cast<uint8_t>(sizeof(Ethernet) + ip_length + (udp ? sizeof(Udp) : 0));
  auto& vxlan = *reinterpret_cast<Vxlan*>(tunnel.header + sizeof tunnel.header - sizeof(Vxlan));
  vxlan.flags = vxlan::kValidVni;
  vxlan.vni = static_cast<uint32_t>(domain.vni);
  uint8_t* at = reinterpret_cast<uint8_t*>(&vxlan) - tunnel.outer;
  write_ethernet(*reinterpret_cast<Ethernet*>(at), next_hop, underlay.mac, v4 ? ether_type::kIpv4 : ether_type::kIpv6);
  at += sizeof(Ethernet);
  if (v4) {
    auto& ip = *reinterpret_cast<Ipv4*>(at);
    write_ipv4(ip, underlay, tunnel.vtep, protocol, tunnel.ipv4_sum);
    tunnel.pseudo_sum = checksum_pseudo_ipv4(ip.source, ip.destination, ip_protocol::kUdp, 0);
  } else {
    auto& ip = *reinterpret_cast<Ipv6*>(at);
    write_ipv6(ip, underlay, tunnel.vtep, protocol);
    tunnel.pseudo_sum = checksum_pseudo_ipv6(ip.source, ip.destination, ip_protocol::kUdp, 0);
  }
  if (!udp) return;
  reinterpret_cast<Udp*>(at + ip_length)->destination =
      underlay.esp == EspCarriage::udp ? underlay.esp_port : underlay.udp_port;
}

void point_tunnel(Tunnel& tunnel, Mac next_hop) {
  tunnel.resolved = next_hop != 0;
  store_mac(tunnel.header + sizeof tunnel.header - sizeof(Vxlan) - tunnel.outer, next_hop);
}

void fill_udp_checksum(uint8_t* udp, uint32_t length, uint64_t pseudo_sum) {
  const uint16_t checksum = ~checksum_fold(checksum_add(udp, length, pseudo_sum + swap32(length)));
  store<uint16_t>(udp + offsetof(Udp, checksum), checksum == 0 ? 0xffff : checksum);
}

void push_tunnel(Packet& packet, const Tunnel& tunnel, bool checksum) {
  if (tunnel.vtep.is_v4()) {
    push_ipv4(packet, tunnel, checksum);
  } else {
    push_ipv6(packet, tunnel, checksum);
  }
}

void vxlan_encap(Burst& burst, const Underlay& underlay, Context& context) {
  const bool v4 = underlay.local.is_v4();
  const uint32_t longest = longest_frame(underlay);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    if (OVERLANE_UNLIKELY(packet->segment != 0)) {
      burst.packets[kept++] = packet;
      continue;
    }
    const Tunnel& tunnel = context.tunnels[tunnel_index(packet->source)];
    if (OVERLANE_UNLIKELY(tunnel.untag)) pop_vlan_tag(*packet);
    if (OVERLANE_UNLIKELY(packet->length + packet->cut > longest)) {
      context.counters.drop(packet, Counter::drop_mtu);
      continue;
    }
    if (OVERLANE_UNLIKELY(!tunnel.resolved) && !pass_next_hop(packet, context)) continue;
    const bool checksum = underlay.send_checksum && packet->cut == 0;
    if (OVERLANE_LIKELY(v4)) {
      push_ipv4(*packet, tunnel, checksum);
    } else {
      push_ipv6(*packet, tunnel, checksum);
    }
    burst.packets[kept++] = packet;
  }
  context.counters.port(underlay.carrier).add(Counter::encapsulated, kept);
  burst.count = kept;
}

}  // namespace overlane
