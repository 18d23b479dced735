// Ethernet II and 802.1Q tags (IEEE 802.3, IEEE 802.1Q clause 9).
#pragma once

#include "wire/field.h"

namespace overlane {

struct Ethernet {
  uint8_t destination[6];  // 0-5
  uint8_t source[6];       // 6-11
  Be16 ether_type;         // 12-13  below 0x600: an 802.3 length
};
static_assert(sizeof(Ethernet) == 14 && alignof(Ethernet) == 1);

struct VlanTag {
  Be16 tpid;  // 0-1  0x8100 or 0x88a8
  Be16 tci;   // 2-3  PCP 3, DEI 1, VID 12
};
static_assert(sizeof(VlanTag) == 4 && alignof(VlanTag) == 1);

namespace ether_type {
inline constexpr uint16_t kIpv4 = 0x0800;
inline constexpr uint16_t kArp = 0x0806;
inline constexpr uint16_t kVlan = 0x8100;     // C-tag
inline constexpr uint16_t kService = 0x88a8;  // S-tag (802.1ad)
inline constexpr uint16_t kOldQinQ = 0x9100;  // S-tag before 802.1ad
inline constexpr uint16_t kIpv6 = 0x86dd;
inline constexpr uint16_t kMinimum = 0x0600;
}  // namespace ether_type

inline constexpr unsigned kMaxVlanTags = 2;

OVERLANE_INLINE bool is_vlan_tag(uint16_t type) {
  return type == ether_type::kVlan || type == ether_type::kService || type == ether_type::kOldQinQ;
}

// A MAC as an integer: first byte lowest, so bit 0 is the group bit.
using Mac = uint64_t;
inline constexpr Mac kMacMask = 0xffffffffffff;
inline constexpr Mac kBroadcast = kMacMask;

OVERLANE_INLINE Mac destination_mac(const uint8_t* frame) {
  return load<uint64_t>(frame) & kMacMask;
}
OVERLANE_INLINE Mac source_mac(const uint8_t* frame) {
  return load<uint64_t>(frame + 4) >> 16;
}
OVERLANE_INLINE bool is_group(Mac mac) {
  return mac & 1;
}
// 01:80:c2:00:00:00 to 0f, which a bridge keeps to itself.
OVERLANE_INLINE bool is_link_local(Mac mac) {
  return (mac & 0xf0ffffffffff) == 0x0000c28001;
}
OVERLANE_INLINE Mac load_mac(const uint8_t* from) {
  return uint64_t{load<uint32_t>(from)} | uint64_t{load<uint16_t>(from + 4)} << 32;
}
OVERLANE_INLINE void store_mac(uint8_t* to, Mac mac) {
  store(to, static_cast<uint32_t>(mac));
  store(to + 4, static_cast<uint16_t>(mac >> 32));
}

}  // namespace overlane
