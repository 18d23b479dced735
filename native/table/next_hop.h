// Next hops of the underlays, and the packets that wait for the MAC of one. What becomes of them: stage/next_hop.h.
#pragma once

#include <vector>

#include "core/packet.h"
#include "core/time.h"
#include "table/address.h"
#include "table/flat_map.h"
#include "wire/ethernet.h"

namespace overlane {

inline constexpr uint32_t kNoHop = UINT32_MAX;
inline constexpr uint32_t kNoTunnel = UINT32_MAX;

struct NextHop {
  // As RFC 4861, section 7.3.2, has them (its names in brackets); for ARP, too.
  enum class State : uint8_t {
    idle,     // no MAC, and nobody wants it
    asking,   // no MAC: asked, packets wait (INCOMPLETE)
    silent,   // no MAC: did not answer, and is left alone for a while
    fresh,    // confirmed lately, or static (REACHABLE)
    stale,    // has a MAC; the next packet has it confirmed (STALE)
    probing,  // has a MAC: asked by unicast, packets go on (PROBE)
  };

  bool used = false;
  bool is_static = false;
  State state = State::idle;
  uint8_t asked = 0;  // requests since it is asking or probing
  uint16_t underlay = 0;
  uint16_t waiting = 0;                          // packets
  uint16_t first_waiting = 0, last_waiting = 0;  // slots of them, where there are any
  uint32_t tunnels = kNoTunnel;                  // the first; Tunnel::next_of_hop leads on
  IpAddress ip;
  Mac mac = 0;  // 0: not known
  Nanos confirmed = 0;
  Nanos due = kNever;  // when its state ends by itself
};

class NextHops {
 public:
  static constexpr uint32_t kWaitingEach = 16;  // packets a next hop
  static constexpr uint32_t kWaitingAll = 256;

  explicit NextHops(uint64_t seed);

  // kNoHop when there is none.
  uint32_t find(uint16_t underlay, IpAddress ip);
  NextHop& operator[](uint32_t index) { return hops_[index]; }
  uint32_t slots() const { return static_cast<uint32_t>(hops_.size()); }
  // The one there is, or a new one. Allocates, so between bursts only.
  uint32_t add(uint16_t underlay, IpAddress ip);
  // One that nothing waits for.
  void remove(uint32_t index);

  // No state ends before that.
  Nanos due() const { return due_; }
  void set_due(NextHop& hop, Nanos at);
  // Finds it anew, when it is past.
  void find_due();

  // Whether one packet more of that pool may wait: few enough, and no more than a quarter of the pool.
  bool has_room(const Pool& pool) const;
  uint32_t waiting() const { return waiting_; }
  void wait(uint32_t hop, Packet* packet);
  // Takes out the one that waits longest for that hop, or for any; nullptr: none.
  Packet* take_waiting(NextHop& hop);
  Packet* take_oldest();
  // Calls `visit` with every packet that waits, and its next hop.
  template <typename Visit>
  void each_waiting(Visit visit) {
    for (uint16_t at = oldest_; at != kNoSlot; at = waits_[at].newer) visit(*waits_[at].packet, hops_[waits_[at].hop]);
  }

 private:
  static constexpr uint16_t kNoSlot = kWaitingAll;
  struct Slot {
    Packet* packet = nullptr;
    uint32_t hop = kNoHop;
    uint16_t next_of_hop = kNoSlot;  // of the free slots, too
    uint16_t older = kNoSlot;
    uint16_t newer = kNoSlot;
  };

  std::vector<NextHop> hops_;
  FlatMap<AddressKey, uint32_t> index_;  // in an underlay -> hops_
  Nanos due_ = kNever;

  Slot waits_[kWaitingAll];
  uint16_t free_ = 0;
  uint16_t oldest_ = kNoSlot;
  uint16_t newest_ = kNoSlot;
  uint32_t waiting_ = 0;
  uint32_t waiting_large_ = 0;
};

}  // namespace overlane
