// Takes an 802.1Q tag off a frame and puts one on; offsets of the parsed headers move along.
#pragma once

#include <cstring>

#include "core/packet.h"
#include "wire/ethernet.h"

namespace overlane {

namespace vlan_tag_detail {
OVERLANE_INLINE void shift(Headers& headers, int by) {
  headers.l3 = static_cast<uint16_t>(headers.l3 + by);
  if (headers.l4 != 0) headers.l4 = static_cast<uint16_t>(headers.l4 + by);
  if (headers.payload != 0) headers.payload = static_cast<uint16_t>(headers.payload + by);
  headers.end += static_cast<uint32_t>(by);
}
}  // namespace vlan_tag_detail

// The outer tag, if there is one. Only for parsed packets: the tag is known to be whole.
inline void pop_vlan_tag(Packet& packet) {
  if (!(packet.headers.flags & kTagged)) return;
  std::memmove(packet.data + sizeof(VlanTag), packet.data, 12);
  packet.data += sizeof(VlanTag);
  packet.length -= sizeof(VlanTag);
  vlan_tag_detail::shift(packet.headers, -static_cast<int>(sizeof(VlanTag)));
  packet.headers.vlan = kNoVlan;
  if (!is_vlan_tag(load_be16(packet.data + 12))) packet.headers.flags &= static_cast<uint8_t>(~kTagged);
}

inline void push_vlan_tag(Packet& packet, uint16_t vlan) {
  packet.data -= sizeof(VlanTag);
  packet.length += sizeof(VlanTag);
  std::memmove(packet.data, packet.data + sizeof(VlanTag), 12);
  store_be16(packet.data + 12, ether_type::kVlan);
  store_be16(packet.data + 14, vlan);
  vlan_tag_detail::shift(packet.headers, sizeof(VlanTag));
  packet.headers.vlan = vlan;
  packet.headers.flags |= kTagged;
}

// The outer tag only says how urgent the frame is; the frame belongs to no VLAN (IEEE 802.1Q, 6.9).
inline bool has_priority_tag(const Packet& packet) {
  return packet.headers.flags & kTagged && packet.headers.vlan == 0 &&
         load_be16(packet.data + 12) == ether_type::kVlan;
}

// Another VLAN in the outer tag; its priority stays.
inline void set_vlan(Packet& packet, uint16_t vlan) {
  store_be16(packet.data + 14, static_cast<uint16_t>((load_be16(packet.data + 14) & 0xf000) | vlan));
  packet.headers.vlan = vlan;
}

}  // namespace overlane
