// The IPv6 half of next_hop: neighbor solicitations and advertisements (RFC 4861, sections 4.3, 4.4, 7.1 and 7.2).
#include <cstring>

#include "stage/next_hop.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace overlane::next_hop_detail {

namespace {

struct NeighborFrame {
  Ethernet ethernet;
  Ipv6 ip;
  NeighborMessage message;
  LinkLayerOption option;
};
static_assert(sizeof(NeighborFrame) == 86 && sizeof(NeighborFrame) <= kLongestMessage);

constexpr uint8_t kAllNodes[16] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr uint8_t kSolicitedNode[16] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};  // and the last three bytes

IpAddress solicited_node(IpAddress ip) {
  uint8_t of[16], group[16];
  ip.write(of);
  std::memcpy(group, kSolicitedNode, 13);
  std::memcpy(group + 13, of + 13, 3);
  return IpAddress::v6(group);
}

// Where Ethernet carries a multicast address (RFC 2464, section 7).
Mac multicast_mac(IpAddress group) {
  uint8_t bytes[16];
  group.write(bytes);
  return uint64_t{0x3333} | uint64_t{load<uint32_t>(bytes + 12)} << 16;
}

struct Sent {
  Mac mac;
  IpAddress ip;
  uint8_t type;
  uint32_t flags;
  IpAddress target;
};

// From the underlay's own address, with its MAC as the option.
uint32_t write_message(uint8_t* to, const Underlay& underlay, const Sent& sent) {
  auto& frame = *reinterpret_cast<NeighborFrame*>(to);
  constexpr uint32_t kLength = sizeof frame.message + sizeof frame.option;
  store_mac(frame.ethernet.destination, sent.mac);
  store_mac(frame.ethernet.source, underlay.mac);
  frame.ethernet.ether_type = ether_type::kIpv6;
  frame.ip.version_class_flow = 6u << 28;
  frame.ip.payload_length = kLength;
  frame.ip.next_header = ip_protocol::kIcmpv6;
  frame.ip.hop_limit = nd::kHopLimit;
  underlay.local.write(frame.ip.source);
  sent.ip.write(frame.ip.destination);
  frame.message.icmp = {sent.type, 0, {}};
  frame.message.flags = sent.flags;
  sent.target.write(frame.message.target);
  frame.option = {sent.type == nd::kSolicitation ? nd::kSourceLinkLayer : nd::kTargetLinkLayer, 1, {}};
  store_mac(frame.option.mac, underlay.mac);
  const uint64_t pseudo = checksum_pseudo_ipv6(frame.ip.source, frame.ip.destination, ip_protocol::kIcmpv6, kLength);
  const uint16_t sum = checksum_fold(checksum_add(reinterpret_cast<uint8_t*>(&frame.message), kLength, pseudo));
  store<uint16_t>(&frame.message.icmp.checksum, ~sum);
  return sizeof frame;
}

// The MAC in the option of that type, 0 when there is none. False: broken options.
bool read_options(const uint8_t* at, uint32_t length, uint8_t type, Mac& mac) {
  mac = 0;
  while (length > 0) {
    if (length < sizeof(LinkLayerOption)) return false;
    const auto& option = *reinterpret_cast<const LinkLayerOption*>(at);
    const uint32_t size = option.length * 8u;
    if (size == 0 || size > length) return false;
    if (option.type == type && size == sizeof(LinkLayerOption)) mac = load_mac(option.mac);
    at += size;
    length -= size;
  }
  return true;
}

struct Received {
  IpAddress source, destination, target;
  Mac sent_to, sent_by;
  Mac mac;  // as the option says; 0: none
  uint32_t flags;
  bool solicitation;
};

// Whether it is a neighbor message that RFC 4861, sections 7.1.1 and 7.1.2, has us look at.
bool read_message(const Packet& packet, Received& out) {
  const Headers& h = packet.headers;
  if (h.l4 == 0 || h.end - h.l4 < sizeof(NeighborMessage)) return false;
  const uint32_t length = h.end - h.l4;
  const auto& ip = *reinterpret_cast<const Ipv6*>(packet.data + h.l3);
  const auto& message = *reinterpret_cast<const NeighborMessage*>(packet.data + h.l4);
  out.solicitation = message.icmp.type == nd::kSolicitation;
  if (!out.solicitation && message.icmp.type != nd::kAdvertisement) return false;
  if (ip.hop_limit != nd::kHopLimit || message.icmp.code != 0) return false;
  if (message.target[0] == 0xff || ip.source[0] == 0xff) return false;
  const uint64_t pseudo = checksum_pseudo_ipv6(ip.source, ip.destination, ip_protocol::kIcmpv6, length);
  if (checksum_fold(checksum_add(packet.data + h.l4, length, pseudo)) != 0xffff) return false;
  out.source = IpAddress::v6(ip.source);
  out.destination = IpAddress::v6(ip.destination);
  out.target = IpAddress::v6(message.target);
  if (out.source.is_v4() || out.target.is_v4()) return false;  // v4-mapped is never on a wire
  out.sent_to = destination_mac(packet.data);
  out.sent_by = source_mac(packet.data);
  out.flags = message.flags;
  const bool to_group = ip.destination[0] == 0xff;
  if (!out.solicitation && to_group && out.flags & nd::kSolicited) return false;
  if (!read_options(packet.data + h.l4 + sizeof message, length - sizeof message,
                    out.solicitation ? nd::kSourceLinkLayer : nd::kTargetLinkLayer, out.mac)) {
    return false;
  }
  const bool probe = out.solicitation && out.source == IpAddress{};  // duplicate address detection, RFC 4862
  if (probe && (out.mac != 0 || out.destination != solicited_node(out.target))) return false;
  return is_station(out.sent_by) && (out.mac == 0 || is_station(out.mac));
}

bool take_advertisement(const Received& in, uint16_t index, Context& context) {
  const Underlay& underlay = context.underlays[index];
  const IpAddress all_nodes = IpAddress::v6(kAllNodes);
  const bool to_us = in.destination == underlay.local && in.sent_to == underlay.mac;
  if (!to_us && !(in.destination == all_nodes && in.sent_to == multicast_mac(all_nodes))) return false;
  const bool solicited = to_us && (in.flags & nd::kSolicited) != 0;
  return learn(index, {in.target, in.mac, solicited, (in.flags & nd::kOverride) != 0}, context);
}

bool take_solicitation(const Received& in, uint16_t index, Context& context) {
  const Underlay& underlay = context.underlays[index];
  const IpAddress group = solicited_node(underlay.local);
  if (in.target != underlay.local || (in.destination != underlay.local && in.destination != group)) return false;
  if (in.sent_to != underlay.mac && in.sent_to != multicast_mac(group)) return false;
  if (in.mac != 0) learn(index, {in.source, in.mac, false, true}, context);
  return true;
}

// RFC 4861, section 7.2.4.
Sent answer_to(const Received& in) {
  if (in.source == IpAddress{}) {
    const IpAddress all = IpAddress::v6(kAllNodes);
    return {multicast_mac(all), all, nd::kAdvertisement, nd::kOverride, in.target};
  }
  return {in.mac == 0 ? in.sent_by : in.mac, in.source, nd::kAdvertisement, nd::kSolicited | nd::kOverride, in.target};
}

}  // namespace

uint32_t write_solicitation(uint8_t* frame, const Underlay& underlay, const NextHop& hop) {
  const IpAddress group = solicited_node(hop.ip);
  if (hop.mac != 0) return write_message(frame, underlay, {hop.mac, hop.ip, nd::kSolicitation, 0, hop.ip});
  return write_message(frame, underlay, {multicast_mac(group), group, nd::kSolicitation, 0, hop.ip});
}

bool take_nd(Packet* packet, uint16_t carrier, Context& context) {
  Received in;
  if (!read_message(*packet, in)) return false;
  const Underlay* asked = nullptr;
  bool taken = false;
  for (uint16_t index : context.carried[carrier]) {
    const Underlay& underlay = context.underlays[index];
    if (!underlay.resolve || underlay.local.is_v4()) continue;
    // Our own come back, or a second owner.
    if (in.sent_by == underlay.mac || in.mac == underlay.mac || in.source == underlay.local) continue;
    const bool ours = in.solicitation ? take_solicitation(in, index, context) : take_advertisement(in, index, context);
    if (ours && in.solicitation) asked = &underlay;
    taken |= ours;
  }
  if (!taken) return false;
  consume(*packet, context);
  if (asked == nullptr) return release(packet), true;
  context.counters.port(carrier).add(Counter::underlay_nd_replied);
  packet->length = write_message(packet->data, *asked, answer_to(in));
  originate(packet, carrier, context);
  return true;
}

}  // namespace overlane::next_hop_detail
