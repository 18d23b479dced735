// The IPv6 half of proxy_arp: neighbor solicitations and advertisements (RFC 4861, sections 4.3, 4.4 and 7.2).
#include <cstddef>
#include <cstring>

#include "stage/proxy_arp.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace overlane::proxy_detail {

namespace {

constexpr uint32_t kAdvertisement = sizeof(NeighborMessage) + sizeof(LinkLayerOption);
constexpr uint8_t kAllNodes[16] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr Mac kAllNodesMac = 0x010000003333;

bool is_unspecified(const uint8_t* ip) {
  return load<uint64_t>(ip) == 0 && load<uint64_t>(ip + 8) == 0;
}

// RFC 4861, section 7.1: what makes a neighbor message valid.
bool is_valid(const Packet& packet, const Ipv6& ip, uint32_t length) {
  const auto& message = *reinterpret_cast<const NeighborMessage*>(packet.data + packet.headers.l4);
  if (ip.hop_limit != nd::kHopLimit || message.icmp.code != 0 || message.target[0] == 0xff) return false;
  if (packet.headers.flags & kFragment) return false;
  const uint64_t pseudo = checksum_pseudo_ipv6(ip.source, ip.destination, ip_protocol::kIcmpv6, length);
  return checksum_fold(checksum_add(packet.data + packet.headers.l4, length, pseudo)) == 0xffff;
}

// The MAC in the option of that type; 0 when there is none or the options are broken.
Mac link_layer_option(const uint8_t* options, uint32_t length, uint8_t type) {
  while (length >= sizeof(LinkLayerOption)) {
    const auto& option = *reinterpret_cast<const LinkLayerOption*>(options);
    const uint32_t size = option.length * 8u;
    if (size == 0 || size > length) return 0;
    if (option.type == type && size == sizeof(LinkLayerOption)) return load_mac(option.mac);
    options += size;
    length -= size;
  }
  return 0;
}

}  // namespace

void reply_nd(Packet& packet, Mac mac) {
  auto& ip = *reinterpret_cast<Ipv6*>(packet.data + packet.headers.l3);
  uint8_t target[16];
  std::memcpy(target, packet.data + packet.headers.l4 + offsetof(NeighborMessage, target), sizeof target);
  const bool probe = is_unspecified(ip.source);  // duplicate address detection, RFC 4862
  const Mac asker = source_mac(packet.data);
  auto& ethernet = *reinterpret_cast<Ethernet*>(packet.data);
  store_mac(ethernet.destination, probe ? kAllNodesMac : asker);
  store_mac(ethernet.source, mac);

  ip.version_class_flow = 6u << 28;
  ip.payload_length = kAdvertisement;
  ip.next_header = ip_protocol::kIcmpv6;
  std::memcpy(ip.destination, probe ? kAllNodes : ip.source, 16);
  std::memcpy(ip.source, target, 16);

  auto* message = reinterpret_cast<NeighborMessage*>(&ip + 1);
  message->icmp = {nd::kAdvertisement, 0, {}};
  message->icmp.checksum = 0;
  message->flags = nd::kOverride | (probe ? 0 : nd::kSolicited);
  std::memcpy(message->target, target, sizeof target);
  auto* option = reinterpret_cast<LinkLayerOption*>(message + 1);
  *option = {nd::kTargetLinkLayer, 1, {}};
  store_mac(option->mac, mac);

  const uint64_t pseudo = checksum_pseudo_ipv6(ip.source, ip.destination, ip_protocol::kIcmpv6, kAdvertisement);
  const uint16_t sum = checksum_fold(checksum_add(reinterpret_cast<uint8_t*>(message), kAdvertisement, pseudo));
  store<uint16_t>(&message->icmp.checksum, ~sum);
  packet.length = packet.headers.l3 + sizeof(Ipv6) + kAdvertisement;
  packet.cut = 0;
}

bool is_solicitation(const Packet& packet) {
  const Headers& h = packet.headers;
  if (h.ip_version != 6 || h.protocol != ip_protocol::kIcmpv6 || h.l4 == 0) return false;
  const uint32_t length = h.end - h.l4;
  if (length < sizeof(NeighborMessage) || packet.data[h.l4] != nd::kSolicitation) return false;
  return is_valid(packet, *reinterpret_cast<const Ipv6*>(packet.data + h.l3), length);
}

Verdict handle_nd(Packet& packet, const Domain& domain, Context& context) {
  const uint32_t length = packet.headers.end - packet.headers.l4;
  if (packet.headers.ip_version != 6 || packet.headers.l4 == 0 || length < sizeof(NeighborMessage)) {
    return Verdict::pass;
  }
  const auto& ip = *reinterpret_cast<const Ipv6*>(packet.data + packet.headers.l3);
  const auto& message = *reinterpret_cast<const NeighborMessage*>(packet.data + packet.headers.l4);
  const bool solicitation = message.icmp.type == nd::kSolicitation;
  if (!solicitation && message.icmp.type != nd::kAdvertisement) return Verdict::pass;
  if (!is_valid(packet, ip, length)) return Verdict::pass;

  const auto* options = reinterpret_cast<const uint8_t*>(&message + 1);
  const uint32_t option_bytes = length - sizeof(NeighborMessage);
  const bool remote = is_tunnel(packet.source);
  if (domain.arp_snooping && (!remote || domain.learn_remote)) {
    const uint8_t* owner = solicitation ? ip.source : message.target;
    const Mac mac =
        link_layer_option(options, option_bytes, solicitation ? nd::kSourceLinkLayer : nd::kTargetLinkLayer);
    if (!is_unspecified(owner)) snoop(packet, IpAddress::v6(owner), mac, context);
  }
  if (!domain.proxy_arp || remote || !solicitation) return Verdict::pass;
  bool known;
  const Mac mac = answer_for(packet, IpAddress::v6(message.target), source_mac(packet.data), context, known);
  if (mac != 0) {
    reply_nd(packet, mac);
    context.counters.port(packet.ingress).add(Counter::nd_replied);
    return Verdict::answered;
  }
  if (known || !is_group(destination_mac(packet.data))) return Verdict::pass;
  return Verdict::unknown;
}

}  // namespace overlane::proxy_detail
