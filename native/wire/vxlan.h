// VXLAN (RFC 7348, section 5).
#pragma once

#include "wire/field.h"

namespace overlane {

struct Vxlan {
  uint8_t flags;      // 0    I flag (0x08) must be set; the other bits are ignored on receipt
  Be24 reserved;      // 1-3  zero on send, ignored on receipt
  Be24 vni;           // 4-6
  uint8_t reserved2;  // 7
};
static_assert(sizeof(Vxlan) == 8 && alignof(Vxlan) == 1);

namespace vxlan {
inline constexpr uint8_t kValidVni = 0x08;
inline constexpr uint16_t kPort = 4789;
inline constexpr uint16_t kSourcePortBase = 49152;  // the dynamic range, RFC 6335
inline constexpr uint16_t kSourcePortMask = 0x3fff;
}  // namespace vxlan

}  // namespace overlane
