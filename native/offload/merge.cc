#include "offload/merge.h"

#include <cstring>

#include "offload/copy.h"
#include "offload/segment.h"
#include "offload/transport.h"
#include "wire/ethernet.h"

namespace overlane {

namespace {

constexpr uint32_t kMaxIpLength = 65535;
// Of a frame that can be merged: two tags, no extension headers, all TCP options.
constexpr uint32_t kMaxHeader = sizeof(Ethernet) + kMaxVlanTags * sizeof(VlanTag) + sizeof(Ipv6) + 60;

// TCP or UDP right after a plain IP header, and every length says that the datagram ends where the frame does. In IPv6
// the length counts extension headers, so it shows that there are none.
bool is_exact(const uint8_t* frame, uint32_t length, const Headers& h) {
  if (!has_transport(h) || h.payload >= length) return false;
  const uint8_t* ip = frame + h.l3;
  if (h.ip_version == 4) {
    if (h.l4 != h.l3 + sizeof(Ipv4) || load_be16(ip + offsetof(Ipv4, total_length)) != length - h.l3) return false;
  } else if (load_be16(ip + offsetof(Ipv6, payload_length)) != length - h.l4) {
    return false;
  }
  return h.protocol == ip_protocol::kTcp || load_be16(frame + h.l4 + offsetof(Udp, length)) == length - h.l4;
}

// 14, 18 or 22 bytes in loads that overlap.
OVERLANE_INLINE bool same_ethernet(const uint8_t* a, const uint8_t* b, uint32_t length) {
  return (load<uint64_t>(a) ^ load<uint64_t>(b)) == 0 && (load<uint64_t>(a + 6) ^ load<uint64_t>(b + 6)) == 0 &&
         (load<uint64_t>(a + length - 8) ^ load<uint64_t>(b + length - 8)) == 0;
}

// All but length, ID and checksum.
OVERLANE_INLINE bool same_ipv4(const uint8_t* a, const uint8_t* b) {
  return load<uint16_t>(a) == load<uint16_t>(b) && load<uint32_t>(a + 6) == load<uint32_t>(b + 6) &&
         load<uint64_t>(a + 12) == load<uint64_t>(b + 12);
}

// All but the length.
OVERLANE_INLINE bool same_ipv6(const uint8_t* a, const uint8_t* b) {
  uint64_t difference = (load<uint32_t>(a) ^ load<uint32_t>(b)) | (load<uint16_t>(a + 6) ^ load<uint16_t>(b + 6));
  for (unsigned i = 8; i < sizeof(Ipv6); i += 8) difference |= load<uint64_t>(a + i) ^ load<uint64_t>(b + i);
  return difference == 0;
}

// Multiples of 4 bytes.
OVERLANE_INLINE bool same_options(const uint8_t* a, const uint8_t* b, const uint8_t* a_end) {
  uint32_t difference = 0;
  for (; a < a_end; a += 4, b += 4) difference |= load<uint32_t>(a) ^ load<uint32_t>(b);
  return difference == 0;
}

// What the IP header and the checksum field say before anything is summed. A wrong IP checksum must not be laundered.
enum class Claim { nothing, partial, full };

OVERLANE_INLINE Claim claim_of(const uint8_t* frame, const Headers& h, uint64_t pseudo) {
  if (h.ip_version == 4 && checksum_ipv4(frame + h.l3) != 0xffff) return Claim::nothing;
  const auto field = load<uint16_t>(frame + checksum_offset(h));
  if (h.protocol == ip_protocol::kUdp && field == 0) return Claim::nothing;
  return field == checksum_fold(pseudo) ? Claim::partial : Claim::full;
}

OVERLANE_INLINE bool is_right(const uint8_t* frame, const Headers& h, uint64_t pseudo) {
  const Claim claim = claim_of(frame, h, pseudo);
  if (claim != Claim::full) return claim == Claim::partial;
  return checksum_fold(checksum_add(frame + h.l4, h.end - h.l4, pseudo)) == 0xffff;
}

// 0 for UDP.
OVERLANE_INLINE uint8_t tcp_flags_of(const uint8_t* frame, const Headers& h) {
  return h.protocol == ip_protocol::kTcp ? frame[h.l4 + offsetof(Tcp, flags)] : 0;
}

}  // namespace

bool Merger::begin(const uint8_t* frame, uint32_t length, const Headers& h) {
  count_ = 0;
  if (!is_exact(frame, length, h) || length - h.payload < kMinSegment) return false;
  const uint8_t flags = tcp_flags_of(frame, h);
  if (h.protocol == ip_protocol::kTcp && (flags & ~(tcp::kPsh | tcp::kEce)) != tcp::kAck) return false;
  pseudo_ = pseudo_sum(frame, h);
  if (!is_right(frame, h, pseudo_ + swap32(length - h.l4))) return false;
  first_ = frame;
  headers_ = h;
  header_ = h.payload;
  payload_ = 0;
  segment_ = static_cast<uint16_t>(length - header_);
  tcp_flags_ = 0;
  take(segment_, flags);
  return true;
}

void Merger::take(uint32_t payload, uint8_t tcp_flags) {
  payload_ += payload;
  tcp_flags_ |= tcp_flags;
  ended_ = payload < segment_ || (tcp_flags_ & (tcp::kPsh | tcp::kFin));
  ++count_;
}

bool Merger::continues_tcp(const uint8_t* l4) const {
  const uint8_t* first = first_ + headers_.l4;
  const uint8_t flags = l4[offsetof(Tcp, flags)];
  return load<uint32_t>(l4) == load<uint32_t>(first) && load_be32(l4 + 4) == load_be32(first + 4) + payload_ &&
         load<uint32_t>(l4 + 8) == load<uint32_t>(first + 8) && l4[12] == first[12] &&
         ((flags ^ first[13]) & ~(tcp::kPsh | tcp::kFin)) == 0 &&
         load<uint16_t>(l4 + 14) == load<uint16_t>(first + 14) &&
         load<uint16_t>(l4 + 18) == load<uint16_t>(first + 18) &&
         same_options(l4 + sizeof(Tcp), first + sizeof(Tcp), l4 + header_ - headers_.l4);
}

// Everything but the checksum.
bool Merger::continues(const uint8_t* frame, uint32_t length, const Headers& h) const {
  if (count_ == 0 || ended_ || h.payload != header_ || h.l3 != headers_.l3 || h.l4 != headers_.l4 ||
      h.ip_version != headers_.ip_version || h.protocol != headers_.protocol || !is_exact(frame, length, h)) {
    return false;
  }
  const uint32_t payload = length - header_;
  if (payload > segment_ || header_ - h.l3 + payload_ + payload > kMaxIpLength) return false;
  if (!same_ethernet(frame, first_, h.l3)) return false;
  const uint8_t* ip = frame + h.l3;
  if (!(h.ip_version == 4 ? same_ipv4(ip, first_ + h.l3) : same_ipv6(ip, first_ + h.l3))) return false;
  const uint8_t* l4 = frame + h.l4;
  if (h.protocol == ip_protocol::kTcp) return continues_tcp(l4);
  return count_ < kMaxDatagrams && load<uint32_t>(l4) == load<uint32_t>(first_ + h.l4);
}

bool Merger::add(const uint8_t* frame, uint32_t length, const Headers& h) {
  if (!continues(frame, length, h) || !is_right(frame, h, pseudo_ + swap32(length - h.l4))) return false;
  take(length - header_, tcp_flags_of(frame, h));
  return true;
}

bool Merger::add_moving(uint8_t* frame, uint32_t length, const Headers& h, uint8_t* to) {
  if (!continues(frame, length, h)) return false;
  const uint64_t pseudo = pseudo_ + swap32(length - h.l4);
  const uint32_t payload = length - header_;
  const uint8_t flags = tcp_flags_of(frame, h);
  const Claim claim = claim_of(frame, h, pseudo);
  if (claim == Claim::nothing) return false;
  if (claim == Claim::partial) {
    std::memmove(to, frame + header_, payload);
  } else {
    uint8_t header[kMaxHeader];  // the payload may come to lie there
    std::memcpy(header, frame, header_);
    const uint64_t sum = checksum_add(frame + h.l4, header_ - h.l4, pseudo);
    if (OVERLANE_UNLIKELY(checksum_fold(checksum_copy(to, frame + header_, payload, sum)) != 0xffff)) {
      std::memmove(frame + header_, to, payload);
      std::memcpy(frame, header, header_);
      return false;
    }
  }
  take(payload, flags);
  return true;
}

void Merger::finish(uint8_t* frame) const {
  uint8_t* ip = frame + headers_.l3;
  uint8_t* l4 = frame + headers_.l4;
  const uint32_t length = header_ - headers_.l4 + payload_;
  if (headers_.ip_version == 4) {
    store_be16(ip + offsetof(Ipv4, total_length), static_cast<uint16_t>(sizeof(Ipv4) + length));
    store<uint16_t>(ip + offsetof(Ipv4, checksum), 0);
    store(ip + offsetof(Ipv4, checksum), static_cast<uint16_t>(~checksum_ipv4(ip)));
  } else {
    store_be16(ip + offsetof(Ipv6, payload_length), static_cast<uint16_t>(length));
  }
  if (headers_.protocol == ip_protocol::kTcp) {
    l4[offsetof(Tcp, flags)] = tcp_flags_;
  } else {
    store_be16(l4 + offsetof(Udp, length), static_cast<uint16_t>(length));
  }
  store(frame + checksum_offset(headers_), checksum_fold(pseudo_ + swap32(length)));
}

bool has_partial_checksum(const uint8_t* frame, const Headers& h) {
  if (!has_transport(h)) return false;
  const uint64_t pseudo = pseudo_sum(frame, h) + swap32(transport_length(frame, h));
  return load<uint16_t>(frame + checksum_offset(h)) == checksum_fold(pseudo);
}

}  // namespace overlane
