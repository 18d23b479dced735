// ARP for IPv4 over Ethernet (RFC 826).
#pragma once

#include "core/ip_address.h"
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

struct ArpFrame {
  Ethernet ethernet;
  Arp arp;
};
static_assert(sizeof(ArpFrame) == 42 && alignof(ArpFrame) == 1);

inline constexpr unsigned kArpFixed = 8;  // what every ARP has, whatever it is for

namespace arp {
inline constexpr uint16_t kRequest = 1;
inline constexpr uint16_t kReply = 2;
}  // namespace arp

OVERLANE_INLINE bool is_ipv4_over_ethernet(const Arp& a) {
  return a.hardware_type == 1 && a.protocol_type == ether_type::kIpv4 && a.hardware_length == 6 &&
         a.protocol_length == 4;
}

// The whole frame, for IPv4 addresses. The sender is where it comes from; target_mac is 0 where it is asked for.
inline void write_arp(ArpFrame& to, uint16_t operation, Mac destination, Mac sender_mac, IpAddress sender,
                      Mac target_mac, IpAddress target) {
  store_mac(to.ethernet.destination, destination);
  store_mac(to.ethernet.source, sender_mac);
  to.ethernet.ether_type = ether_type::kArp;
  to.arp.hardware_type = 1;
  to.arp.protocol_type = ether_type::kIpv4;
  to.arp.hardware_length = 6;
  to.arp.protocol_length = 4;
  to.arp.operation = operation;
  store_mac(to.arp.sender_mac, sender_mac);
  sender.write(to.arp.sender_ip);
  store_mac(to.arp.target_mac, target_mac);
  target.write(to.arp.target_ip);
}

}  // namespace overlane
