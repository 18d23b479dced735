// Whose a packet is, for ipvlan.
#include "stage/ipvlan.h"
#include "wire/arp.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"

namespace overlane::ipvlan_detail {

namespace {

constexpr uint16_t kDhcpServer = 67;  // RFC 2131, section 4.1
constexpr IpAddress kBroadcast4{0, 0xffffffffffff0000};

namespace icmpv6 {
constexpr uint8_t kListenerReport = 131, kListenerDone = 132, kListenerReport2 = 143;  // RFC 2710, RFC 3810
constexpr uint8_t kRouterSolicitation = 133;                                           // RFC 4861
}  // namespace icmpv6

uint8_t first_byte(IpAddress ip) {
  return static_cast<uint8_t>(ip.high);
}

// What a host without an address of its own yet, or with a link-local one, has to send.
bool is_housekeeping(uint8_t type) {
  switch (type) {
    case icmpv6::kListenerReport:
    case icmpv6::kListenerDone:
    case icmpv6::kListenerReport2:
    case icmpv6::kRouterSolicitation:
    case nd::kSolicitation:
    case nd::kAdvertisement:
      return true;
    default:
      return false;
  }
}

// The ICMPv6 type; 0, which is none that means something, for any other packet.
uint8_t icmpv6_type(const Packet& packet) {
  const Headers& h = packet.headers;
  const bool readable = h.ip_version == 6 && h.protocol == ip_protocol::kIcmpv6 && h.payload != 0;
  return readable ? packet.data[h.l4] : 0;
}

bool is_dhcp_request(const Packet& packet) {
  const Headers& h = packet.headers;
  if (h.protocol != ip_protocol::kUdp || h.payload == 0) return false;
  return reinterpret_cast<const Udp*>(packet.data + h.l4)->destination == kDhcpServer;
}

const uint8_t* nd_target(const Packet& packet) {
  return reinterpret_cast<const NeighborMessage*>(packet.data + packet.headers.l4)->target;
}

bool has_nd_target(const Packet& packet) {
  return packet.headers.end - packet.headers.l4 >= sizeof(NeighborMessage);
}

}  // namespace

bool is_multicast(IpAddress ip) {
  if (!ip.is_v4()) return first_byte(ip) == 0xff;
  return ip == kBroadcast4 || (ip.low >> 32 & 0xf0) == 0xe0;
}

bool is_link_local(IpAddress ip) {
  return !ip.is_v4() && first_byte(ip) == 0xfe && (ip.high >> 8 & 0xc0) == 0x80;
}

Parties parties_of(const Packet& packet) {
  const Headers& h = packet.headers;
  const uint8_t* l3 = packet.data + h.l3;
  if (h.ether_type == ether_type::kArp) {
    const auto& arp = *reinterpret_cast<const Arp*>(l3);
    if (h.status != ParseStatus::ok || !is_ipv4_over_ethernet(arp)) return {};
    return {Parties::Kind::arp, IpAddress::v4(arp.sender_ip), IpAddress::v4(arp.target_ip)};
  }
  if (h.ip_version == 4) {
    const auto& ip = *reinterpret_cast<const Ipv4*>(l3);
    return {Parties::Kind::ip, IpAddress::v4(ip.source), IpAddress::v4(ip.destination)};
  }
  if (h.ip_version != 6) return {};
  const auto& ip = *reinterpret_cast<const Ipv6*>(l3);
  Parties parties{Parties::Kind::ip, IpAddress::v6(ip.source), IpAddress::v6(ip.destination)};
  if (icmpv6_type(packet) == nd::kSolicitation && has_nd_target(packet)) {
    parties.kind = Parties::Kind::solicitation;
    parties.destination = IpAddress::v6(nd_target(packet));
  }
  // IPv4 addresses mapped into IPv6 are never on a wire, and would be taken for IPv4 ones here.
  return parties.source.is_v4() || parties.destination.is_v4() ? Parties{} : parties;
}

uint16_t find_container(const Packet& packet, IpAddress ip, Context& context) {
  const uint16_t* place = context.addresses.find({ip, packet.domain});
  return place == nullptr ? kNoPort : *place;
}

bool may_send(const Packet& packet, const Parties& parties, Context& context) {
  const auto owns = [&](IpAddress ip) { return find_container(packet, ip, context) == packet.source; };
  if (parties.kind == Parties::Kind::arp) {
    const auto& arp = *reinterpret_cast<const Arp*>(packet.data + packet.headers.l3);
    if (load_mac(arp.sender_mac) != source_mac(packet.data)) return false;
    return owns(parties.source) || (parties.source == kNobody4 && arp.operation == arp::kRequest);
  }
  const uint8_t type = icmpv6_type(packet);
  // What it says of an address counts as much as what it sends from.
  if (type == nd::kAdvertisement && has_nd_target(packet)) {
    const IpAddress target = IpAddress::v6(nd_target(packet));
    if (!owns(target) && !is_link_local(target)) return false;
  }
  if (owns(parties.source)) return true;
  if (parties.source == kNobody4) return is_dhcp_request(packet);
  return (parties.source == IpAddress{} || is_link_local(parties.source)) && is_housekeeping(type);
}

}  // namespace overlane::ipvlan_detail
