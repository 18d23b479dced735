// ARP for IPv4 over Ethernet (RFC 826).
#pragma once

#include "wire/ethernet.h"

namespace overlane {

struct Arp {
  Be16 hardware_type;       // 0-1   1: Ethernet
  Be16 protocol_type;       // 2-3   0x0800: IPv4
  uint8_t hardware_length;  // 4     6
  uint8_t protocol_length;  // 5     4
  Be16 operation;           // 6-7   1: request, 2: reply
  uint8_t sender_mac[6];    // 8-13
  uint8_t sender_ip[4];     // 14-17
  uint8_t target_mac[6];    // 18-23
  uint8_t target_ip[4];     // 24-27
};
static_assert(sizeof(Arp) == 28 && alignof(Arp) == 1);

inline constexpr unsigned kArpFixed = 8;  // what every ARP has, whatever it is for

namespace arp {
inline constexpr uint16_t kRequest = 1;
inline constexpr uint16_t kReply = 2;
}  // namespace arp

OVERLANE_INLINE bool is_ipv4_over_ethernet(const Arp& a) {
  return a.hardware_type == 1 && a.protocol_type == ether_type::kIpv4 && a.hardware_length == 6 &&
         a.protocol_length == 4;
}

}  // namespace overlane
