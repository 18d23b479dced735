#include "offload/segment.h"

#include <algorithm>
#include <cstring>

#include "offload/copy.h"
#include "offload/transport.h"

namespace overlane {

namespace {

constexpr uint32_t kMaxIpLength = 65535;

// Whether each segment may have the extension headers of the super-frame: the three that Linux's GSO accepts. AH signs
// one datagram, a jumbogram's hop-by-hop header contradicts the new length, and with hops left to go the checksum is
// over a destination that is not in the IPv6 header.
bool extensions_repeat(const uint8_t* frame, const Headers& h) {
  const auto& ip = *reinterpret_cast<const Ipv6*>(frame + h.l3);
  uint32_t at = h.l3 + sizeof(Ipv6);
  if (at == h.l4) return true;
  if (ip.payload_length == 0) return false;
  for (uint8_t type = ip.next_header; at < h.l4;) {
    const bool done = type != ip_protocol::kRouting || frame[at + 3] == 0;  // segments left (RFC 8200, section 4.4)
    if (!done || (type != ip_protocol::kHopByHop && type != ip_protocol::kRouting && type != ip_protocol::kDestination))
      return false;
    type = frame[at];
    at += (frame[at + 1] + 1u) * 8;
  }
  return true;
}

// Bytes of IP datagram that the length field counts, beyond the payload.
uint32_t counted_header(const Headers& h) {
  return h.payload - h.l3 - (h.ip_version == 6 ? sizeof(Ipv6) : 0);
}

// Sums what stays the same; length, ID, sequence number, flags and checksums are left out.
void sum_headers(const uint8_t* frame, const Headers& h, Segmentation& plan) {
  plan.ip_sum = 0;
  if (h.ip_version == 4) {
    const uint8_t* ip = frame + h.l3;
    plan.ip_sum = uint64_t{load<uint16_t>(ip)} + load<uint16_t>(ip + 6) + load<uint16_t>(ip + 8);
    for (const uint8_t* at = ip + 12; at < frame + h.l4; at += 4) plan.ip_sum += load<uint32_t>(at);
  }
  const uint8_t* l4 = frame + h.l4;
  uint64_t sum = pseudo_sum(frame, h) + load<uint32_t>(l4);
  if (h.protocol == ip_protocol::kTcp) {
    sum += uint64_t{load<uint32_t>(l4 + 8)} + l4[12] + load<uint16_t>(l4 + 14) + load<uint16_t>(l4 + 18);
    for (const uint8_t* at = l4 + sizeof(Tcp); at < frame + h.payload; at += 4) sum += load<uint32_t>(at);
  }
  plan.transport_sum = sum;
}

OVERLANE_INLINE void write_ip(const Segmentation& plan, uint32_t i, uint32_t payload, uint8_t* ip) {
  const uint16_t length = swap16(static_cast<uint16_t>(counted_header(plan.headers) + payload));
  if (plan.headers.ip_version == 6) return store(ip + offsetof(Ipv6, payload_length), length);
  const uint8_t* first = plan.frame + plan.headers.l3;
  const uint16_t id = swap16(static_cast<uint16_t>(load_be16(first + offsetof(Ipv4, identification)) + i));
  store(ip + offsetof(Ipv4, total_length), length);
  store(ip + offsetof(Ipv4, identification), id);
  store(ip + offsetof(Ipv4, checksum), static_cast<uint16_t>(~checksum_fold(plan.ip_sum + length + id)));
}

// Returns the sum of what it wrote, for the checksum.
OVERLANE_INLINE uint64_t write_tcp(const Segmentation& plan, uint32_t i, uint8_t* l4) {
  const uint8_t* first = plan.frame + plan.headers.l4;
  const uint32_t sequence = swap32(load_be32(first + offsetof(Tcp, sequence)) + plan.segment * i);
  uint8_t flags = first[offsetof(Tcp, flags)];
  if (i != 0) flags &= static_cast<uint8_t>(~tcp::kCwr);
  if (i + 1 != plan.count) flags &= static_cast<uint8_t>(~(tcp::kFin | tcp::kPsh));
  store(l4 + offsetof(Tcp, sequence), sequence);
  l4[offsetof(Tcp, flags)] = flags;
  return uint64_t{sequence} + (uint64_t{flags} << 8);
}

// All but the checksum of TCP or UDP, whose sum without the payload it returns. False: there is to be none.
OVERLANE_INLINE bool write_fields(const Segmentation& plan, uint32_t i, uint8_t* to, uint64_t& sum) {
  const Headers& h = plan.headers;
  const uint32_t payload = plan.payload_of(i);
  const uint32_t length = h.payload - h.l4 + payload;
  std::memcpy(to, plan.frame, plan.header);
  write_ip(plan, i, payload, to + h.l3);
  sum = plan.transport_sum + swap32(length);
  if (h.protocol == ip_protocol::kTcp) return sum += write_tcp(plan, i, to + h.l4), true;
  const uint16_t field = swap16(static_cast<uint16_t>(length));
  store(to + h.l4 + offsetof(Udp, length), field);
  sum += field;
  return h.ip_version == 6 || load<uint16_t>(plan.frame + h.l4 + offsetof(Udp, checksum)) != 0;
}

// The segment as an ordinary packet; its data is set, and not yet written when this is the super-frame itself.
void become_segment(Packet* packet, const Packet& super, const Segmentation& plan, uint32_t i) {
  packet->time = super.time;
  packet->length = plan.header + plan.payload_of(i);
  packet->cut = 0;
  packet->segment = 0;
  packet->flags = static_cast<uint16_t>(super.flags & ~kPartialChecksum);
  packet->headers = plan.headers;
  packet->headers.end = packet->length;
  packet->set_origin(super.source, super.ingress, super.domain);
}

// Where no buffer is free, the super-frame gives its own.
void shrink(Packet* super, const Segmentation& plan, uint32_t i) {
  uint8_t header[kMaxSegmentHeader];
  write_segment_header(plan, i, header);
  std::memmove(super->data + plan.header, plan.payload_at(i), plan.payload_of(i));
  std::memcpy(super->data, header, plan.header);
  become_segment(super, *super, plan, i);
}

}  // namespace

bool plan_segments(const uint8_t* frame, uint32_t length, const Headers& h, uint16_t segment, Segmentation& plan) {
  if (!has_transport(h) || h.end > length || h.payload >= h.end) return false;
  if (h.payload > kMaxSegmentHeader || segment < kMinSegment) return false;
  const uint32_t payload = h.end - h.payload;
  if (counted_header(h) + std::min<uint32_t>(segment, payload) > kMaxIpLength) return false;
  if (h.protocol == ip_protocol::kTcp && (frame[h.l4 + offsetof(Tcp, flags)] & (tcp::kSyn | tcp::kRst))) return false;
  if (h.ip_version == 6 && !extensions_repeat(frame, h)) return false;
  plan.frame = frame;
  plan.headers = h;
  plan.header = h.payload;
  plan.payload = payload;
  plan.segment = segment;
  plan.count = (payload + segment - 1) / segment;
  sum_headers(frame, h, plan);
  return true;
}

void write_segment_header(const Segmentation& plan, uint32_t i, uint8_t* to) {
  uint64_t sum;
  if (!write_fields(plan, i, to, sum)) return;
  sum = checksum_add(plan.payload_at(i), plan.payload_of(i), sum);
  store(to + checksum_offset(plan.headers), finished_checksum(sum, plan.headers.protocol));
}

void write_segment(const Segmentation& plan, uint32_t i, uint8_t* to) {
  uint64_t sum;
  const bool summed = write_fields(plan, i, to, sum);
  sum = checksum_copy(to + plan.header, plan.payload_at(i), plan.payload_of(i), sum);
  if (summed) store(to + checksum_offset(plan.headers), finished_checksum(sum, plan.headers.protocol));
}

uint32_t cut(Packet* super, Packet** out, uint32_t max, Pools& pools) {
  Segmentation plan;
  if (max == 0 || super->cut != 0 || !plan_segments(super->data, super->length, super->headers, super->segment, plan)) {
    return 0;
  }
  const uint32_t count = std::min(plan.count, max);
  for (uint32_t i = 0; i < count; ++i) {
    Packet* packet = pools.take(plan.header + plan.payload_of(i));
    if (OVERLANE_UNLIKELY(packet == nullptr)) return shrink(super, plan, i), out[i] = super, i + 1;
    write_segment(plan, i, packet->data);
    become_segment(packet, *super, plan, i);
    out[i] = packet;
  }
  release(super);
  return count;
}

bool complete_checksum(Packet& packet) {
  if (!(packet.flags & kPartialChecksum)) return true;
  const Headers& h = packet.headers;
  if (packet.segment != 0 || packet.cut != 0 || !has_transport(h) || h.end > packet.length) return false;
  const uint32_t length = transport_length(packet.data, h);
  const uint16_t checksum = finished_checksum(checksum_add(packet.data + h.l4, length), h.protocol);
  store(packet.data + checksum_offset(h), checksum);
  packet.flags &= static_cast<uint16_t>(~kPartialChecksum);
  return true;
}

}  // namespace overlane
