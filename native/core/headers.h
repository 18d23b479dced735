// What parse found in a frame: offsets from its first byte, and the few fields every stage wants.
#pragma once

#include <cstdint>

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

  bool operator==(const Headers&) const = default;
};

}  // namespace overlane
