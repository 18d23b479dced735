#include "stage/parse.h"

#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace overlane {

namespace {

OVERLANE_INLINE void fail(Headers& h, ParseStatus status) {
  h.status = status;
}

// Sets where the payload starts; `available` bytes of IP payload lie at `l4`.
OVERLANE_INLINE void parse_transport(const uint8_t* l4, uint32_t available, Headers& h) {
  if (h.protocol == ip_protocol::kUdp) {
    if (OVERLANE_UNLIKELY(available < sizeof(Udp))) return fail(h, ParseStatus::udp_truncated);
    uint32_t length = load_be16(l4 + 4);
    if (length == 0) length = available;  // IPv6 jumbogram (RFC 2675) or a super-frame
    if (OVERLANE_UNLIKELY(length < sizeof(Udp) || (length > available && !(h.flags & kFragment)))) {
      return fail(h, ParseStatus::udp_length);
    }
    h.payload = static_cast<uint16_t>(h.l4 + sizeof(Udp));
    return;
  }
  if (h.protocol == ip_protocol::kTcp) {
    if (OVERLANE_UNLIKELY(available < sizeof(Tcp))) return fail(h, ParseStatus::tcp_truncated);
    uint32_t header = (l4[12] >> 4) * 4;
    if (OVERLANE_UNLIKELY(header < sizeof(Tcp) || header > available)) {
      return fail(h, ParseStatus::tcp_header_length);
    }
    h.payload = static_cast<uint16_t>(h.l4 + header);
    return;
  }
  if ((h.protocol == ip_protocol::kIcmp && h.ip_version == 4) ||
      (h.protocol == ip_protocol::kIcmpv6 && h.ip_version == 6)) {
    if (OVERLANE_UNLIKELY(available < kIcmpHeader)) return fail(h, ParseStatus::icmp_truncated);
    h.payload = static_cast<uint16_t>(h.l4 + kIcmpHeader);
  }
}

OVERLANE_INLINE void finish_ip(const uint8_t* frame, Headers& h) {
  if (!(h.flags & kLaterFragment)) parse_transport(frame + h.l4, h.end - h.l4, h);
}

OVERLANE_INLINE void parse_ipv4(const uint8_t* frame, uint32_t length, Headers& h) {
  const uint8_t* ip = frame + h.l3;
  const uint32_t available = length - h.l3;
  if (OVERLANE_UNLIKELY(available < sizeof(Ipv4))) {
    h.status = ParseStatus::ipv4_truncated;
    return;
  }
  if (OVERLANE_UNLIKELY(ip[0] >> 4 != 4)) {
    h.status = ParseStatus::ipv4_version;
    return;
  }
  h.ip_version = 4;
  const uint32_t header = (ip[0] & 15) * 4;
  uint32_t total = load_be16(ip + 2);
  if (OVERLANE_UNLIKELY(total == 0)) total = available;  // super-frame over 64 KiB
  if (OVERLANE_UNLIKELY(header < sizeof(Ipv4) || total < header)) {
    h.status = ParseStatus::ipv4_header_length;
    return;
  }
  if (OVERLANE_UNLIKELY(total > available)) {
    h.status = ParseStatus::ipv4_truncated;
    return;
  }
  h.end = h.l3 + total;
  h.protocol = ip[9];
  const uint16_t fragment = load_be16(ip + 6);
  if (OVERLANE_UNLIKELY(fragment & ipv4::kFragmentMask)) {
    h.flags |= kFragment | (fragment & ipv4::kOffsetMask ? kLaterFragment : 0);
  }
  if (OVERLANE_LIKELY(!(h.flags & kLaterFragment))) h.l4 = static_cast<uint16_t>(h.l3 + header);
  finish_ip(frame, h);
}

OVERLANE_INLINE bool is_extension(uint8_t protocol) {
  switch (protocol) {
    case ip_protocol::kHopByHop:
    case ip_protocol::kRouting:
    case ip_protocol::kFragment:
    case ip_protocol::kAh:
    case ip_protocol::kDestination:
    case ip_protocol::kMobility:
    case ip_protocol::kHip:
    case ip_protocol::kShim6:
      return true;
    default:
      return false;
  }
}

struct Extensions {
  uint32_t end;  // where the transport header starts
  uint8_t protocol;
  uint8_t flags = 0;
  ParseStatus status = ParseStatus::ok;
};

// Walks extension headers from `at` to `end`. By value, so that the headers of the usual packet stay in registers.
OVERLANE_NOINLINE Extensions walk_extensions(const uint8_t* frame, uint32_t at, uint32_t end, uint8_t protocol) {
  Extensions walked{at, protocol};
  for (unsigned i = 0; is_extension(walked.protocol) && !(walked.flags & kLaterFragment); ++i) {
    if (i == ipv6::kMaxExtensions) return walked.status = ParseStatus::ipv6_extensions, walked;
    if (end - walked.end < 8) return walked.status = ParseStatus::ipv6_truncated, walked;
    const auto& extension = *reinterpret_cast<const Ipv6Extension*>(frame + walked.end);
    uint32_t length = (extension.length + 1u) * 8;
    if (walked.protocol == ip_protocol::kAh) length = (extension.length + 2u) * 4;
    if (walked.protocol == ip_protocol::kFragment) {
      length = 8;
      walked.flags |= kFragment | (extension.fragment & ipv6::kFragmentOffset ? kLaterFragment : 0);
    }
    if (end - walked.end < length) return walked.status = ParseStatus::ipv6_truncated, walked;
    walked.protocol = extension.next_header;
    walked.end += length;
  }
  return walked;
}

OVERLANE_INLINE void parse_ipv6(const uint8_t* frame, uint32_t length, Headers& h) {
  const uint8_t* ip = frame + h.l3;
  const uint32_t available = length - h.l3;
  if (OVERLANE_UNLIKELY(available < sizeof(Ipv6))) {
    h.status = ParseStatus::ipv6_truncated;
    return;
  }
  if (OVERLANE_UNLIKELY(ip[0] >> 4 != 6)) {
    h.status = ParseStatus::ipv6_version;
    return;
  }
  h.ip_version = 6;
  uint32_t total = sizeof(Ipv6) + load_be16(ip + 4);
  if (OVERLANE_UNLIKELY(total == sizeof(Ipv6))) total = available;  // jumbogram, super-frame, or nothing inside
  if (OVERLANE_UNLIKELY(total > available)) {
    h.status = ParseStatus::ipv6_truncated;
    return;
  }
  h.end = h.l3 + total;
  h.protocol = ip[6];
  uint32_t at = h.l3 + sizeof(Ipv6);
  if (is_extension(h.protocol)) {
    const Extensions walked = walk_extensions(frame, at, h.end, h.protocol);
    at = walked.end;
    h.protocol = walked.protocol;
    h.flags |= walked.flags;
    h.status = walked.status;
    if (h.status != ParseStatus::ok) return;
  }
  if (!(h.flags & kLaterFragment)) h.l4 = static_cast<uint16_t>(at);
  finish_ip(frame, h);
}

OVERLANE_INLINE void parse_arp(const uint8_t* frame, uint32_t length, Headers& h) {
  const uint8_t* arp = frame + h.l3;
  const uint32_t available = length - h.l3;
  if (available < kArpFixed || available < kArpFixed + 2u * (arp[4] + arp[5])) h.status = ParseStatus::arp_truncated;
}

// The usual packet, an untagged whole UDP or TCP packet over IPv4 without options, in a few wide loads. False: some
// other packet, or a broken one, for parse_one; where this says true, parse_one finds the same.
OVERLANE_INLINE bool parse_usual(const uint8_t* frame, uint32_t length, Headers& h) {
  constexpr uint32_t kTypeAndIhl = 0x450008;  // 08 00 45 in memory
  constexpr uint32_t kL4 = sizeof(Ethernet) + sizeof(Ipv4);
  if (OVERLANE_UNLIKELY(length < kL4 + sizeof(Udp) || (load<uint32_t>(frame + 12) & 0xffffff) != kTypeAndIhl))
    return false;
  const uint32_t total = load_be16(frame + 16);
  const uint8_t protocol = frame[23];
  uint32_t header = sizeof(Udp);
  if (OVERLANE_LIKELY(protocol == ip_protocol::kUdp)) {
    const uint32_t udp_length = load_be16(frame + kL4 + 4);
    if (OVERLANE_UNLIKELY(udp_length < sizeof(Udp) || udp_length + sizeof(Ipv4) > total)) return false;
  } else if (protocol == ip_protocol::kTcp && length >= kL4 + sizeof(Tcp)) {
    header = (frame[kL4 + 12] >> 4) * 4;
    if (OVERLANE_UNLIKELY(header < sizeof(Tcp) || header + sizeof(Ipv4) > total)) return false;
  } else {
    return false;
  }
  const uint32_t end = total + sizeof(Ethernet);
  const bool fragment = load<uint16_t>(frame + 20) & swap16(ipv4::kFragmentMask);
  if (OVERLANE_UNLIKELY(end > length || fragment)) return false;
  h.end = end;
  h.ether_type = ether_type::kIpv4;
  h.vlan = kNoVlan;
  h.l3 = sizeof(Ethernet);
  h.l4 = kL4;
  h.payload = static_cast<uint16_t>(kL4 + header);
  h.ip_version = 4;
  h.protocol = protocol;
  h.flags = 0;
  h.status = ParseStatus::ok;
  return true;
}

// Field by field, out of registers: copied as a block, the small stores would stall the wide loads.
OVERLANE_INLINE void copy_fields(const Headers& from, Headers& to) {
  to.end = from.end;
  to.ether_type = from.ether_type;
  to.vlan = from.vlan;
  to.l3 = from.l3;
  to.l4 = from.l4;
  to.payload = from.payload;
  to.ip_version = from.ip_version;
  to.protocol = from.protocol;
  to.flags = from.flags;
  to.status = from.status;
}

OVERLANE_INLINE Headers parse_one(const uint8_t* frame, uint32_t length) {
  Headers h;
  h.end = length;
  if (OVERLANE_UNLIKELY(length < sizeof(Ethernet))) {
    h.status = ParseStatus::ethernet_truncated;
    return h;
  }
  uint16_t type = load_be16(frame + 12);
  uint32_t at = sizeof(Ethernet);
  if (OVERLANE_UNLIKELY(is_vlan_tag(type))) {
    h.flags = kTagged;
    for (unsigned tag = 0; tag < kMaxVlanTags && is_vlan_tag(type); ++tag, at += sizeof(VlanTag)) {
      if (length < at + sizeof(VlanTag)) {
        h.status = ParseStatus::vlan_truncated;
        return h;
      }
      if (tag == 0) h.vlan = load_be16(frame + at) & 0xfff;
      type = load_be16(frame + at + 2);
    }
  }
  h.ether_type = type;
  h.l3 = static_cast<uint16_t>(at);
  if (OVERLANE_LIKELY(type == ether_type::kIpv4)) {
    parse_ipv4(frame, length, h);
  } else if (type == ether_type::kIpv6) {
    parse_ipv6(frame, length, h);
  } else if (type == ether_type::kArp) {
    parse_arp(frame, length, h);
  }
  return h;
}

}  // namespace

Headers parse_frame(const uint8_t* frame, uint32_t length) {
  Headers headers;
  if (OVERLANE_LIKELY(parse_usual(frame, length, headers))) return headers;
  return parse_one(frame, length);
}

Headers parse_thoroughly(const uint8_t* frame, uint32_t length) {
  return parse_one(frame, length);
}

// False: the packet is gone.
OVERLANE_NOINLINE static bool parse_unusual(Packet* packet, Counters& counters) {
  const Headers headers = parse_one(packet->data, packet->length);
  copy_fields(headers, packet->headers);
  if (OVERLANE_LIKELY(headers.status == ParseStatus::ok)) return true;
  if (headers.status <= ParseStatus::vlan_truncated) return counters.drop(packet, Counter::drop_malformed), false;
  counters.port(packet->ingress).add(Counter::l3_malformed);
  return true;
}

void parse(Burst& burst, Counters& counters) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    if (OVERLANE_LIKELY(parse_usual(packet->data, packet->length, packet->headers)) ||
        parse_unusual(packet, counters)) {
      burst.packets[kept++] = packet;
    }
  }
  burst.count = kept;
}

const char* parse_status_name(ParseStatus status) {
  static constexpr const char* kNames[] = {
#define STATUS(name, about) #name,
#include "core/parse_status.def"
#undef STATUS
  };
  return kNames[static_cast<size_t>(status)];
}

}  // namespace overlane
