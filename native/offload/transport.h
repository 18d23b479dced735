// What cutting and putting together both need to know of TCP and UDP headers.
#pragma once

#include "core/headers.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace overlane {

namespace tcp {
inline constexpr uint8_t kFin = 0x01;
inline constexpr uint8_t kSyn = 0x02;
inline constexpr uint8_t kRst = 0x04;
inline constexpr uint8_t kPsh = 0x08;
inline constexpr uint8_t kAck = 0x10;
inline constexpr uint8_t kEce = 0x40;  // RFC 3168, section 6.1
inline constexpr uint8_t kCwr = 0x80;
}  // namespace tcp

// Whole TCP or UDP, not a fragment, as far as parse looked.
OVERLANE_INLINE bool has_transport(const Headers& h) {
  return h.status == ParseStatus::ok && h.payload != 0 && !(h.flags & kFragment) &&
         (h.protocol == ip_protocol::kTcp || h.protocol == ip_protocol::kUdp);
}

OVERLANE_INLINE uint32_t checksum_offset(const Headers& h) {
  return h.l4 + (h.protocol == ip_protocol::kTcp ? offsetof(Tcp, checksum) : offsetof(Udp, checksum));
}

// Bytes that the checksum covers: UDP has a length of its own; 0 there means a super-frame over 64 KiB.
OVERLANE_INLINE uint32_t transport_length(const uint8_t* frame, const Headers& h) {
  const uint32_t available = h.end - h.l4;
  if (h.protocol == ip_protocol::kTcp) return available;
  const uint32_t length = load_be16(frame + h.l4 + offsetof(Udp, length));
  return length != 0 && length < available ? length : available;
}

// The pseudo-header's sum without its length, which is added as swap32(length). For a few bytes, checksum_add would
// cost more in its call than in its work.
OVERLANE_INLINE uint64_t pseudo_sum(const uint8_t* frame, const Headers& h) {
  uint64_t sum = uint64_t{h.protocol} << 8;
  const uint8_t* at = frame + h.l3 + (h.ip_version == 4 ? offsetof(Ipv4, source) : offsetof(Ipv6, source));
  const uint8_t* end = at + (h.ip_version == 4 ? 8 : 32);
  for (; at < end; at += 4) sum += load<uint32_t>(at);
  return sum;
}

// The checksum field for a sum over everything but itself: a UDP checksum that comes out as 0 would mean "none".
OVERLANE_INLINE uint16_t finished_checksum(uint64_t sum, uint8_t protocol) {
  const auto checksum = static_cast<uint16_t>(~checksum_fold(sum));
  return checksum == 0 && protocol == ip_protocol::kUdp ? 0xffff : checksum;
}

}  // namespace overlane
