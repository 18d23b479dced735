// IPv4 (RFC 791, section 3.1).
#pragma once

#include "wire/field.h"

namespace overlane {

struct Ipv4 {
  uint8_t version_ihl;     // 0      version 4, header length in 4-byte words
  uint8_t tos;             // 1      DSCP 6, ECN 2 (RFC 2474, RFC 3168)
  Be16 total_length;       // 2-3
  Be16 identification;     // 4-5
  Be16 fragment;           // 6-7    0, DF, MF, offset in 8-byte units
  uint8_t ttl;             // 8
  uint8_t protocol;        // 9
  Be16 checksum;           // 10-11
  uint8_t source[4];       // 12-15
  uint8_t destination[4];  // 16-19
};
static_assert(sizeof(Ipv4) == 20 && alignof(Ipv4) == 1);

namespace ipv4 {
inline constexpr uint16_t kDontFragment = 0x4000;
inline constexpr uint16_t kFragmentMask = 0x3fff;  // MF and offset: 0 means whole
inline constexpr uint16_t kOffsetMask = 0x1fff;
}  // namespace ipv4

namespace ip_protocol {
inline constexpr uint8_t kHopByHop = 0;
inline constexpr uint8_t kIcmp = 1;
inline constexpr uint8_t kTcp = 6;
inline constexpr uint8_t kUdp = 17;
inline constexpr uint8_t kRouting = 43;
inline constexpr uint8_t kFragment = 44;
inline constexpr uint8_t kEsp = 50;
inline constexpr uint8_t kAh = 51;
inline constexpr uint8_t kIcmpv6 = 58;
inline constexpr uint8_t kNone = 59;
inline constexpr uint8_t kDestination = 60;
inline constexpr uint8_t kMobility = 135;
inline constexpr uint8_t kHip = 139;
inline constexpr uint8_t kShim6 = 140;
}  // namespace ip_protocol

// Explicit Congestion Notification, the low two bits of TOS or traffic class (RFC 3168, section 5).
namespace ecn {
inline constexpr uint8_t kMask = 3;
inline constexpr uint8_t kNotCapable = 0;
inline constexpr uint8_t kCapable0 = 2;
inline constexpr uint8_t kCongestion = 3;
}  // namespace ecn

}  // namespace overlane
