// IPv6 (RFC 8200, section 3) and the start that its extension headers share.
#pragma once

#include "wire/field.h"

namespace overlane {

struct Ipv6 {
  Be32 version_class_flow;  // 0-3    version 6, traffic class 8, flow label 20
  Be16 payload_length;      // 4-5    extension headers included; 0 in a jumbogram or super-frame
  uint8_t next_header;      // 6
  uint8_t hop_limit;        // 7
  uint8_t source[16];       // 8-23
  uint8_t destination[16];  // 24-39
};
static_assert(sizeof(Ipv6) == 40 && alignof(Ipv6) == 1);

struct Ipv6Extension {
  uint8_t next_header;  // 0
  uint8_t length;       // 1    in 8-byte units beyond the first; AH: in 4-byte units minus 2
  Be16 fragment;        // 2-3  fragment header only: offset 13, reserved 2, M
};
static_assert(sizeof(Ipv6Extension) == 4 && alignof(Ipv6Extension) == 1);

namespace ipv6 {
inline constexpr unsigned kMaxExtensions = 8;
inline constexpr uint16_t kFragmentOffset = 0xfff8;
}  // namespace ipv6

}  // namespace overlane
