// Packets on their way out, gathered by port and by underlay, so that each is handed a burst.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/packet.h"

namespace overlane {

class Port;
struct Context;
struct Underlay;

class Output {
 public:
  // Takes the packet over; sends the lane when it is full.
  OVERLANE_INLINE void to_port(uint16_t port, Packet* packet, Context& context) {
    Burst& burst = push(ports_[port], port, touched_ports_, packet);
    if (OVERLANE_UNLIKELY(burst.count == kMaxBurst)) transmit(port, burst, context);
  }
  OVERLANE_INLINE void to_tunnel(Place tunnel, uint16_t underlay, Packet* packet, Context& context) {
    packet->source = tunnel;  // from here on it says where to
    Burst& burst = push(underlays_[underlay], underlay, touched_underlays_, packet);
    if (OVERLANE_UNLIKELY(burst.count == kMaxBurst)) encapsulate(underlay, burst, context);
  }
  // As to_port, for a port that this burst went to already.
  OVERLANE_INLINE void to_same_port(uint16_t port, Packet* packet, Context& context) {
    Burst& burst = ports_[port].burst;
    burst.packets[burst.count] = packet;
    if (OVERLANE_UNLIKELY(++burst.count == kMaxBurst)) transmit(port, burst, context);
  }
  // Sends everything; called at the end of every burst.
  void flush(Context& context);

  // Configuration, between bursts.
  void resize(size_t ports, size_t underlays);
  // longest: bytes of the longest frame, or of a super-frame's longest segment. Its lanes follow.
  void set_port(uint16_t index, Port* port, uint32_t longest);
  // What goes to `lane` leaves through `port`, with a tag.
  void set_lane(uint16_t lane, uint16_t port, uint16_t vlan);
  void clear_lane(uint16_t lane) { links_[lane] = {}; }
  // Whether the port has lanes: what goes to itself has no tag then, or it would be in one of their VLANs.
  void set_trunk(uint16_t port, bool is_trunk) { links_[port].vlan = is_trunk ? kUntagged : kNoVlan; }

 private:
  static constexpr uint16_t kUntagged = 0;  // no VID (IEEE 802.1Q, table 9-2)

  struct Link {
    Port* port = nullptr;
    uint32_t longest = 0;
    uint16_t index = UINT16_MAX;  // of the port
    uint16_t vlan = kNoVlan;      // tag put on; kNoVlan: tags are left alone
  };

  struct Lane {
    bool touched = false;
    Burst burst;
  };

  OVERLANE_INLINE Burst& push(Lane& lane, uint16_t index, std::vector<uint16_t>& touched, Packet* packet) {
    if (!lane.touched) {
      lane.touched = true;
      touched.push_back(index);
    }
    lane.burst.packets[lane.burst.count++] = packet;
    return lane.burst;
  }
  void encapsulate(uint16_t underlay, Burst& burst, Context& context);
  void encrypt(const Underlay& underlay, Burst& burst, Context& context);
  void transmit(uint16_t lane, Burst& burst, Context& context);
  // Packets that the port takes as they are, `bytes` in all; empties the burst.
  void hand_over(uint16_t port, Burst& burst, uint64_t bytes, Context& context);

  std::vector<Link> links_;
  std::vector<Lane> ports_;
  std::vector<Lane> underlays_;
  std::vector<uint16_t> touched_ports_;
  std::vector<uint16_t> touched_underlays_;
};

}  // namespace overlane
