// ICMP (RFC 792), ICMPv6 (RFC 4443) and the neighbor discovery messages (RFC 4861, sections 4.3, 4.4, 4.6).
#pragma once

#include "wire/field.h"

namespace overlane {

struct Icmp {
  uint8_t type;   // 0
  uint8_t code;   // 1
  Be16 checksum;  // 2-3
};
static_assert(sizeof(Icmp) == 4 && alignof(Icmp) == 1);

inline constexpr unsigned kIcmpHeader = 8;  // with the four bytes that depend on the type

struct NeighborMessage {  // solicitation 135, advertisement 136
  Icmp icmp;              // 0-3
  Be32 flags;             // 4-7    advertisement: R, S, O
  uint8_t target[16];     // 8-23
};
static_assert(sizeof(NeighborMessage) == 24 && alignof(NeighborMessage) == 1);

struct LinkLayerOption {
  uint8_t type;    // 0    1: source, 2: target
  uint8_t length;  // 1    in 8-byte units
  uint8_t mac[6];  // 2-7
};
static_assert(sizeof(LinkLayerOption) == 8 && alignof(LinkLayerOption) == 1);

namespace nd {
inline constexpr uint8_t kSolicitation = 135;
inline constexpr uint8_t kAdvertisement = 136;
inline constexpr uint8_t kSourceLinkLayer = 1;
inline constexpr uint8_t kTargetLinkLayer = 2;
inline constexpr uint32_t kRouter = 0x80000000;
inline constexpr uint32_t kSolicited = 0x40000000;
inline constexpr uint32_t kOverride = 0x20000000;
inline constexpr uint8_t kHopLimit = 255;
}  // namespace nd

}  // namespace overlane
