// What parse found in a frame: offsets from its first byte, and the few fields every stage wants.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/bytes.h"

namespace overlane {

enum class ParseStatus : uint8_t {
#define STATUS(name, about) name,
#include "core/parse_status.def"
#undef STATUS
};

inline constexpr uint16_t kNoVlan = 0xffff;

enum HeaderFlags : uint8_t {
  kFragment = 1,       // any fragment of an IP datagram, the first one too
  kLaterFragment = 2,  // not the first: no transport header
  kTagged = 4,         // has an 802.1Q or 802.1ad tag
};

struct Headers {
  uint32_t end = 0;  // first byte after the IP datagram (Ethernet padding starts there); frame length when not IP
  uint16_t ether_type = 0;  // after the tags; below 0x600 it is an 802.3 length
  uint16_t vlan = kNoVlan;  // VID of the outer tag
  uint16_t l3 = 0;
  uint16_t l4 = 0;       // 0: no transport header reached
  uint16_t payload = 0;  // after the UDP, TCP or ICMP header; 0 when there is none
  uint8_t ip_version = 0;
  uint8_t protocol = 0;  // the transport protocol, after IPv6 extension headers
  uint8_t flags = 0;
  ParseStatus status = ParseStatus::ok;

  // Whole UDP over IPv4, no options, no tag, no fragment: the payload is where it usually is.
  OVERLANE_INLINE bool is_plain_udp() const {
    constexpr uint32_t kPlain = 42 | 4 << 16 | 17 << 24;  // payload, ip_version, protocol as they lie here
    return (load<uint32_t>(&payload) == kPlain) & (load<uint16_t>(&flags) == 0);
  }

  bool operator==(const Headers&) const = default;
};

static_assert(offsetof(Headers, protocol) == offsetof(Headers, payload) + 3);
static_assert(offsetof(Headers, status) == offsetof(Headers, flags) + 1 && static_cast<int>(ParseStatus::ok) == 0);

}  // namespace overlane
