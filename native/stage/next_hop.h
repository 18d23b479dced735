// next_hop: finds out the MACs of the underlays' next hops as a host does, by ARP (RFC 826) and neighbor discovery
// (RFC 4861), and answers for the underlays' own addresses. Only on underlays that `resolve`; on others a next hop is
// what was configured, or where the first packet of the VTEP came from.
#pragma once

#include "stage/context.h"

namespace overlane {

// For a packet to a tunnel that is not `resolved`. True: it may go. False: it waits, or was dropped.
bool pass_next_hop(Packet* packet, Context& context);

// What `carrier` received that is for no tunnel. True: it was a neighbor message for us, and is used up.
bool take_neighbor_message(Packet* packet, uint16_t carrier, Context& context);

// Asks again, gives up, has MACs confirmed. To be called every 100 ms or so; a compare when nothing is due
// (context.next_hops.due()).
void next_hop_timer(Context& context);

// The rest is configuration, between bursts.

// Finds a tunnel's next hop: the VTEP where it has a static MAC, is inside the local prefix, or there is no gateway;
// else the gateway. Prepares the tunnel's headers.
void link_tunnel(uint32_t tunnel, Context& context);
// Drops what waits for it.
void unlink_tunnel(uint32_t tunnel, Context& context);
// A MAC that nothing but another such call replaces.
void set_static_next_hop(uint16_t underlay, IpAddress ip, Mac mac, Context& context);
// What another worker learned; ignored where it is news of an address that is no next hop any more.
void hear_next_hop(uint16_t underlay, IpAddress ip, Mac mac, Context& context);
void forget_next_hops(uint16_t underlay, Context& context);

namespace next_hop_detail {

inline constexpr uint32_t kLongestMessage = 128;

// A claim that `ip` has `mac`. RFC 4861, section 7.2.5, which does for ARP as well.
struct Claim {
  IpAddress ip;
  Mac mac = 0;             // 0: the one we know
  bool solicited = false;  // an answer to us: it confirms
  bool overrides = true;   // a MAC we know, too
};
// False: nothing came of it.
bool learn(uint16_t underlay, const Claim& claim, Context& context);

// Sends what `packet` now holds as a packet of our own.
void originate(Packet* packet, uint16_t carrier, Context& context);
// The packet was for us, and is used up; it may be written over and sent with originate().
void consume(const Packet& packet, Context& context);

inline bool is_station(Mac mac) {
  return mac != 0 && !is_group(mac);
}

// Requests for the hop's MAC: by unicast when it has one. Return the length.
uint32_t write_arp_request(uint8_t* frame, const Underlay& underlay, const NextHop& hop);
uint32_t write_solicitation(uint8_t* frame, const Underlay& underlay, const NextHop& hop);
// As take_neighbor_message(), for one protocol.
bool take_arp(Packet* packet, uint16_t carrier, Context& context);
bool take_nd(Packet* packet, uint16_t carrier, Context& context);

}  // namespace next_hop_detail

}  // namespace overlane
