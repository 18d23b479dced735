#include "port/virtio_offload.h"

#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include "wire/vxlan.h"

namespace overlane {

namespace {

constexpr uint8_t kCwr = 0x80;  // RFC 3168, section 6.1

// The outermost TCP or UDP header; l4 0: there is none.
struct Transport {
  uint32_t l3 = 0;
  uint32_t l4 = 0;
  uint8_t version = 0;
  uint8_t protocol = 0;

  uint32_t checksum() const {
    return l4 + (protocol == ip_protocol::kTcp ? offsetof(Tcp, checksum) : offsetof(Udp, checksum));
  }
};

bool is_plain_extension(uint8_t protocol) {
  return protocol == ip_protocol::kHopByHop || protocol == ip_protocol::kRouting ||
         protocol == ip_protocol::kDestination;
}

// Fragments and what lies behind AH have no checksum that could be left to anybody.
Transport find_transport(const uint8_t* frame, uint32_t length) {
  Transport found;
  uint32_t at = sizeof(Ethernet);
  if (length < at) return {};
  uint16_t type = load_be16(frame + at - 2);
  for (unsigned tags = 0; tags < kMaxVlanTags && is_vlan_tag(type) && length >= at + sizeof(VlanTag); ++tags) {
    at += sizeof(VlanTag);
    type = load_be16(frame + at - 2);
  }
  found.l3 = at;
  if (type == ether_type::kIpv4 && length >= at + sizeof(Ipv4)) {
    if (load_be16(frame + at + offsetof(Ipv4, fragment)) & ipv4::kFragmentMask) return {};
    found.version = 4;
    found.protocol = frame[at + offsetof(Ipv4, protocol)];
    at += (frame[at] & 15u) * 4;
  } else if (type == ether_type::kIpv6 && length >= at + sizeof(Ipv6)) {
    found.version = 6;
    found.protocol = frame[at + offsetof(Ipv6, next_header)];
    at += sizeof(Ipv6);
    for (unsigned i = 0; i < ipv6::kMaxExtensions && is_plain_extension(found.protocol); ++i) {
      if (length < at + sizeof(Ipv6Extension)) return {};
      found.protocol = frame[at];
      at += (frame[at + 1] + 1u) * 8;
    }
  }
  const bool tcp = found.protocol == ip_protocol::kTcp;
  if (found.version == 0 || (!tcp && found.protocol != ip_protocol::kUdp)) return {};
  if (length < at + (tcp ? sizeof(Tcp) : sizeof(Udp))) return {};
  found.l4 = at;
  return found;
}

// A NIC that merged packets checked their checksums, and left one that is of no use.
void make_partial(uint8_t* frame, uint32_t length, const Transport& transport) {
  const uint8_t* ip = frame + transport.l3;
  const uint32_t bytes = length - transport.l4;
  const uint64_t sum = transport.version == 4
                           ? checksum_pseudo_ipv4(ip + offsetof(Ipv4, source), ip + offsetof(Ipv4, destination),
                                                  transport.protocol, bytes)
                           : checksum_pseudo_ipv6(ip + offsetof(Ipv6, source), ip + offsetof(Ipv6, destination),
                                                  transport.protocol, bytes);
  store<uint16_t>(frame + transport.checksum(), checksum_fold(sum));
}

// The frame in a VXLAN packet whose checksum the kernel left unfinished, as it does across veth. nullptr: none.
const uint8_t* inner_frame(const Transport& outer, const Packet& packet) {
  const uint32_t at = outer.l4 + sizeof(Udp) + sizeof(Vxlan);
  if (outer.l4 == 0 || outer.protocol != ip_protocol::kUdp || packet.length < at + sizeof(Ethernet)) return nullptr;
  return packet.data + at;
}

}  // namespace

bool gso_fits(uint8_t gso_type, uint8_t ip_version, uint8_t protocol) {
  const bool tcp = protocol == ip_protocol::kTcp;
  switch (gso_type & ~virtio::kGsoEcn) {
    case virtio::kGsoTcp4:
      return tcp && ip_version == 4;
    case virtio::kGsoTcp6:
      return tcp && ip_version == 6;
    case virtio::kGsoUdp:
      return protocol == ip_protocol::kUdp;
    default:
      return false;
  }
}

bool finish_checksum(uint8_t* frame, uint32_t length, uint32_t start, uint32_t field) {
  if (field + sizeof(uint16_t) > length) return false;
  const auto checksum = static_cast<uint16_t>(~checksum_fold(checksum_add(frame + start, length - start)));
  store<uint16_t>(frame + field, checksum == 0 ? 0xffff : checksum);  // 0 means "none" in UDP
  return true;
}

bool accept_offload(const VirtioHeader& header, uint32_t tag, Packet& packet) {
  const bool super = header.gso_type != virtio::kGsoNone;
  const bool unfinished = header.flags & virtio::kNeedsChecksum;
  if (OVERLANE_LIKELY(!super && !unfinished)) return true;
  Transport transport = find_transport(packet.data, packet.length);
  const uint32_t start = header.checksum_start + tag;
  const uint32_t field = start + header.checksum_offset;
  const auto left_open = [&](uint32_t at) {
    return transport.l4 != 0 && (!unfinished || (start == at + transport.l4 && field == at + transport.checksum()));
  };
  uint16_t inner = 0;
  if (OVERLANE_UNLIKELY(!left_open(0))) {
    const uint8_t* frame = unfinished ? inner_frame(transport, packet) : nullptr;
    const auto at = static_cast<uint32_t>(frame == nullptr ? 0 : frame - packet.data);
    if (frame != nullptr) transport = find_transport(frame, packet.length - at);
    if (frame == nullptr || !left_open(at)) return !super && finish_checksum(packet.data, packet.length, start, field);
    inner = kInnerOffload;
  }
  if (super) {
    if (header.gso_size == 0 || !gso_fits(header.gso_type, transport.version, transport.protocol)) return false;
    if (!unfinished) make_partial(packet.data, packet.length, transport);
    packet.segment = header.gso_size;
  }
  packet.flags = static_cast<uint16_t>(kPartialChecksum | inner);
  return true;
}

bool describe_offload(const Packet& packet, VirtioHeader& header) {
  header = {};
  if (OVERLANE_LIKELY(packet.is_ordinary())) return true;
  const Headers& h = packet.headers;
  const bool tcp = h.protocol == ip_protocol::kTcp;
  if (h.status != ParseStatus::ok || h.payload == 0 || (h.flags & kFragment)) return false;
  if (!tcp && h.protocol != ip_protocol::kUdp) return false;
  header.flags = virtio::kNeedsChecksum;
  header.checksum_start = h.l4;
  header.checksum_offset = tcp ? offsetof(Tcp, checksum) : offsetof(Udp, checksum);
  if (packet.segment == 0) return true;
  header.gso_type = !tcp ? virtio::kGsoUdp : h.ip_version == 4 ? virtio::kGsoTcp4 : virtio::kGsoTcp6;
  if (tcp && (packet.data[h.l4 + offsetof(Tcp, flags)] & kCwr)) header.gso_type |= virtio::kGsoEcn;
  header.header_length = h.payload;
  header.gso_size = packet.segment;
  return true;
}

}  // namespace overlane
