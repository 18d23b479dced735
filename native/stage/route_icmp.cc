// What a router has to say itself: ICMP errors (RFC 792; RFC 1812, section 4.3; RFC 4443) and answers to echo requests.
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "stage/parse.h"
#include "stage/route.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace overlane::route_detail {

namespace {

constexpr uint8_t kHops = 64;                   // RFC 1812, section 4.2.2.9
constexpr uint32_t kLongest4 = 576;             // RFC 1812, section 4.3.2.3
constexpr uint32_t kLongest6 = 1280;            // RFC 4443, section 2.4 (c)
constexpr uint8_t kInternetworkControl = 0xc0;  // precedence 6: RFC 1812, section 4.3.2.5

struct Error4 {
  Ipv4 ip;
  Icmp icmp;
  Be32 value;
};
struct Error6 {
  Ipv6 ip;
  Icmp icmp;
  Be32 value;
};
static_assert(sizeof(Error4) == 28 && sizeof(Error6) == 48);

// A pool's packet has that much room before its headers, and more.
constexpr uint32_t kMostHeaders = sizeof(Error6);
static_assert(kMostHeaders <= kHeadroom);

uint8_t icmp_type(const Packet& packet) {
  return packet.data[packet.headers.l4];
}

// RFC 1812, section 4.3.2.7; RFC 4443, section 2.4 (e): no error about an error, nor about what nobody can attribute.
// Groups and impossible sources were dropped before.
bool may_be_told(const Packet& packet) {
  const Headers& h = packet.headers;
  if (h.flags & kLaterFragment) return false;
  if (h.ip_version == 4 && h.protocol == ip_protocol::kIcmp) {
    if (h.status != ParseStatus::ok) return false;
    const uint8_t type = icmp_type(packet);
    return type != 3 && type != 4 && type != 5 && type != 11 && type != 12;
  }
  if (h.ip_version == 6 && h.protocol == ip_protocol::kIcmpv6) {
    constexpr uint8_t kRedirect = 137;
    return h.status == ParseStatus::ok && icmp_type(packet) >= 128 && icmp_type(packet) != kRedirect;
  }
  return true;
}

// The interface's address to speak from: of the asker's subnet where there is one. False: none of that family.
bool own_address(const RouterInterface& interface, const Router& router, IpAddress asker, IpAddress& own) {
  bool found = !asker.is_v4();
  own = router.link_local;
  for (const Prefix& address : interface.addresses) {
    if (address.ip.is_v4() != asker.is_v4()) continue;
    if (address.contains(asker)) return own = address.ip, true;
    if (found && own != router.link_local) continue;
    found = true;
    own = address.ip;
  }
  return found;
}

struct Own {
  IpAddress source;
  uint32_t longest;  // bytes of the error as an IP packet
};

void write_error4(Packet& packet, const Own& own, const Refusal& refusal, uint32_t value) {
  uint8_t* offender = packet.data + packet.headers.l3;
  const uint32_t quoted = std::min(packet.headers.end - packet.headers.l3, own.longest - uint32_t{sizeof(Error4)});
  auto& error = *reinterpret_cast<Error4*>(offender - sizeof(Error4));
  uint8_t to[4];
  std::memcpy(to, offender + offsetof(Ipv4, source), sizeof to);
  error.ip.version_ihl = 0x45;
  error.ip.tos = kInternetworkControl;
  error.ip.total_length = static_cast<uint16_t>(sizeof(Error4) + quoted);
  error.ip.identification = 0;
  error.ip.fragment = ipv4::kDontFragment;
  error.ip.ttl = kHops;
  error.ip.protocol = ip_protocol::kIcmp;
  error.ip.checksum = 0;
  own.source.write(error.ip.source);
  std::memcpy(error.ip.destination, to, sizeof to);
  store<uint16_t>(&error.ip.checksum, ~checksum_ipv4(reinterpret_cast<uint8_t*>(&error.ip)));
  error.icmp = {refusal.type, refusal.code, {}};
  error.value = value;
  const uint32_t summed = sizeof error - sizeof error.ip + quoted;
  store<uint16_t>(&error.icmp.checksum, ~checksum_fold(checksum_add(offender - 8, summed)));
}

void write_error6(Packet& packet, const Own& own, const Refusal& refusal, uint32_t value) {
  uint8_t* offender = packet.data + packet.headers.l3;
  const uint32_t quoted = std::min(packet.headers.end - packet.headers.l3, own.longest - uint32_t{sizeof(Error6)});
  const uint32_t length = sizeof(Error6) - sizeof(Ipv6) + quoted;
  auto& error = *reinterpret_cast<Error6*>(offender - sizeof(Error6));
  uint8_t to[16];
  std::memcpy(to, offender + offsetof(Ipv6, source), sizeof to);
  error.ip.version_class_flow = 6u << 28;
  error.ip.payload_length = static_cast<uint16_t>(length);
  error.ip.next_header = ip_protocol::kIcmpv6;
  error.ip.hop_limit = kHops;
  own.source.write(error.ip.source);
  std::memcpy(error.ip.destination, to, sizeof to);
  error.icmp = {refusal.type6, refusal.code6, {}};
  error.value = value;
  const uint64_t pseudo = checksum_pseudo_ipv6(error.ip.source, error.ip.destination, ip_protocol::kIcmpv6, length);
  store<uint16_t>(&error.icmp.checksum, ~checksum_fold(checksum_add(offender - 8, length, pseudo)));
}

// The packet as one of our own, to where it came from.
void send_back(Packet* packet, Context& context) {
  packet->headers = parse_frame(packet->data, packet->length);
  store<uint64_t>(&packet->cut, 0);  // and segment, and flags
  context.counters.port(packet->ingress).add(Counter::originated);
  context.output.to_port(static_cast<uint16_t>(packet->source), packet, context);
}

void turn_round(uint8_t* frame, Mac own) {
  const Mac asker = source_mac(frame);
  store_mac(frame, asker);
  store_mac(frame + 6, own);
}

template <unsigned kBytes>
void swap_addresses(uint8_t* source, uint8_t* destination) {
  uint8_t kept[kBytes];
  std::memcpy(kept, source, kBytes);
  std::memcpy(source, destination, kBytes);
  std::memcpy(destination, kept, kBytes);
}

bool is_echo_request(const Packet& packet) {
  const Headers& h = packet.headers;
  if (h.status != ParseStatus::ok || h.l4 == 0 || packet.cut != 0 || !packet.is_ordinary()) return false;
  const uint8_t* at = packet.data + h.l4;
  const uint32_t length = h.end - h.l4;
  if (h.ip_version == 4) return at[0] == 8 && at[1] == 0 && checksum_fold(checksum_add(at, length)) == 0xffff;
  const auto& ip = *reinterpret_cast<const Ipv6*>(packet.data + h.l3);
  if (h.l4 - h.l3 != sizeof(Ipv6) || at[0] != 128 || at[1] != 0) return false;
  const uint64_t pseudo = checksum_pseudo_ipv6(ip.source, ip.destination, ip_protocol::kIcmpv6, length);
  return checksum_fold(checksum_add(at, length, pseudo)) == 0xffff;
}

// RFC 792; RFC 4443, section 4.2.
void answer_echo(Packet* packet, Context& context) {
  const Headers& h = packet->headers;
  uint8_t* header = packet->data + h.l3;
  if (h.ip_version == 4) {
    auto& ip = *reinterpret_cast<Ipv4*>(header);
    swap_addresses<4>(ip.source, ip.destination);
    ip.ttl = kHops;
    ip.checksum = 0;
    store<uint16_t>(&ip.checksum, ~checksum_fold(checksum_add(header, (ip.version_ihl & 15) * 4u)));
  } else {
    auto& ip = *reinterpret_cast<Ipv6*>(header);
    swap_addresses<16>(ip.source, ip.destination);
    ip.hop_limit = kHops;
  }
  auto& icmp = *reinterpret_cast<Icmp*>(packet->data + h.l4);
  const auto before = load<uint16_t>(&icmp);
  icmp.type = h.ip_version == 4 ? 0 : 129;
  store(&icmp.checksum, checksum_update(load<uint16_t>(&icmp.checksum), before, load<uint16_t>(&icmp)));
  turn_round(packet->data, context.domains[packet->domain].gateway_mac);
  CounterRow& row = context.counters.port(packet->ingress);
  row.add(Counter::consumed);
  row.add(Counter::echo_replied);
  send_back(packet, context);
}

}  // namespace

void refuse(Packet* packet, const Refusal& refusal, uint32_t value, Context& context) {
  const Headers& h = packet->headers;
  const Domain& domain = context.domains[packet->domain];
  const RouterInterface& interface = context.interfaces[domain.gateway];
  Router& router = context.routers[interface.router];
  const uint8_t* header = packet->data + h.l3;
  const bool v4 = h.ip_version == 4;
  const IpAddress asker =
      v4 ? IpAddress::v4(header + offsetof(Ipv4, source)) : IpAddress::v6(header + offsetof(Ipv6, source));
  // Who was spoken to answers (RFC 4443, section 2.2 (a)).
  Own own{
      v4 ? IpAddress::v4(header + offsetof(Ipv4, destination)) : IpAddress::v6(header + offsetof(Ipv6, destination)),
      std::min(v4 ? kLongest4 : kLongest6, interface.mtu)};
  const bool spoken_to = context.routes.is_local(interface.router, own.source);
  if (!may_be_told(*packet) || !(spoken_to || own_address(interface, router, asker, own.source))) {
    return context.counters.drop(packet, refusal.reason);
  }
  CounterRow& row = context.counters.port(packet->ingress);
  if (!router.errors.take(context.now)) {
    row.add(Counter::icmp_limited);
    return context.counters.drop(packet, refusal.reason);
  }
  turn_round(packet->data, domain.gateway_mac);
  uint8_t link[sizeof(Ethernet) + sizeof(VlanTag)];
  std::memcpy(link, packet->data, h.l3);
  v4 ? write_error4(*packet, own, refusal, value) : write_error6(*packet, own, refusal, value);
  const uint32_t grown = v4 ? sizeof(Error4) : sizeof(Error6);
  packet->length = std::min(h.end, h.l3 + own.longest - grown) + grown;
  packet->data -= grown;
  std::memcpy(packet->data, link, h.l3);
  row.add(refusal.reason);
  row.add(Counter::icmp_sent);
  send_back(packet, context);
}

void receive(Packet* packet, Context& context) {
  const Headers& h = packet->headers;
  if (h.flags & kFragment) return context.counters.drop(packet, Counter::drop_gateway_fragment);
  if (h.protocol == (h.ip_version == 4 ? ip_protocol::kIcmp : ip_protocol::kIcmpv6)) {
    if (is_echo_request(*packet)) return answer_echo(packet, context);
    return context.counters.drop(packet, Counter::drop_gateway_icmp);
  }
  if (h.protocol == ip_protocol::kTcp || h.protocol == ip_protocol::kUdp) return refuse(packet, kNoPort, 0, context);
  // The pointer of ICMPv6 is to the byte that names the protocol; where that is after extension headers, nobody looks.
  const bool plain = h.ip_version == 4 || h.l4 - h.l3 == sizeof(Ipv6);
  if (!plain || (h.ip_version == 6 && h.protocol == ip_protocol::kNone)) {
    return context.counters.drop(packet, Counter::drop_gateway_protocol);
  }
  refuse(packet, kNoProtocol, h.ip_version == 4 ? 0 : offsetof(Ipv6, next_header), context);
}

}  // namespace overlane::route_detail
