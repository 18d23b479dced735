// The IPv4 half of next_hop: ARP (RFC 826).
#include "stage/next_hop.h"
#include "wire/arp.h"

namespace overlane::next_hop_detail {

namespace {

static_assert(sizeof(ArpFrame) <= kLongestMessage);

// From the underlay's own address.
uint32_t write_own(uint8_t* to, const Underlay& underlay, uint16_t operation, Mac destination, Mac target_mac,
                   IpAddress target) {
  write_arp(*reinterpret_cast<ArpFrame*>(to), operation, destination, underlay.mac, underlay.local, target_mac, target);
  return sizeof(ArpFrame);
}

}  // namespace

uint32_t write_arp_request(uint8_t* frame, const Underlay& underlay, const NextHop& hop) {
  return write_own(frame, underlay, arp::kRequest, hop.mac == 0 ? kBroadcast : hop.mac, 0, hop.ip);
}

bool take_arp(Packet* packet, uint16_t carrier, Context& context) {
  const auto& arp = *reinterpret_cast<const Arp*>(packet->data + packet->headers.l3);
  if (!is_ipv4_over_ethernet(arp) || (arp.operation != arp::kRequest && arp.operation != arp::kReply)) return false;
  const bool request = arp.operation == arp::kRequest;
  const Mac to = destination_mac(packet->data);
  const IpAddress sender = IpAddress::v4(arp.sender_ip), target = IpAddress::v4(arp.target_ip);
  const Mac mac = load_mac(arp.sender_mac);
  if (!is_station(mac)) return false;
  const Underlay* asked = nullptr;
  bool learned = false;
  for (uint16_t index : context.carried[carrier]) {
    const Underlay& underlay = context.underlays[index];
    if (!underlay.resolve || (to != kBroadcast && to != underlay.mac)) continue;
    if (mac == underlay.mac || sender == underlay.local) continue;  // our own come back, or a second owner
    const bool for_us = target == underlay.local;
    learned |= learn(index, {sender, mac, !request && for_us && to == underlay.mac, true}, context);
    if (request && for_us) asked = &underlay;
  }
  if (asked == nullptr && !learned) return false;
  consume(*packet, context);
  if (asked == nullptr) return release(packet), true;
  context.counters.port(carrier).add(Counter::underlay_arp_replied);
  packet->length = write_own(packet->data, *asked, arp::kReply, mac, mac, sender);
  originate(packet, carrier, context);
  return true;
}

}  // namespace overlane::next_hop_detail
