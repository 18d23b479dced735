#include "table/next_hop.h"

#include <algorithm>

#include "core/pool.h"

namespace overlane {

namespace {

bool is_large(const Pool& pool) {
  return pool.room() > Pools::kSmallRoom;
}

}  // namespace

NextHops::NextHops(uint64_t seed) : index_(16, seed) {
  for (uint16_t i = 0; i < kWaitingAll; ++i) waits_[i].next_of_hop = static_cast<uint16_t>(i + 1);
}

uint32_t NextHops::find(uint16_t underlay, IpAddress ip) {
  const uint32_t* index = index_.find({ip, underlay});
  return index == nullptr ? kNoHop : *index;
}

uint32_t NextHops::add(uint16_t underlay, IpAddress ip) {
  uint32_t index = find(underlay, ip);
  if (index != kNoHop) return index;
  for (index = 0; index < slots() && hops_[index].used; ++index) {
  }
  if (index == slots()) hops_.emplace_back();
  hops_[index] = {};
  hops_[index].used = true;
  hops_[index].underlay = underlay;
  hops_[index].ip = ip;
  index_.put({ip, underlay}, index);
  return index;
}

void NextHops::remove(uint32_t index) {
  index_.erase({hops_[index].ip, hops_[index].underlay});
  hops_[index] = {};
}

void NextHops::set_due(NextHop& hop, Nanos at) {
  hop.due = at;
  due_ = std::min(due_, at);
}

void NextHops::find_due() {
  due_ = kNever;
  for (const NextHop& hop : hops_) due_ = std::min(due_, hop.due);
}

bool NextHops::has_room(const Pool& pool) const {
  const uint32_t of_pool = is_large(pool) ? waiting_large_ : waiting_ - waiting_large_;
  return waiting_ < kWaitingAll && of_pool < pool.size() / 4;
}

void NextHops::wait(uint32_t index, Packet* packet) {
  const uint16_t at = free_;
  Slot& slot = waits_[at];
  free_ = slot.next_of_hop;
  slot = {packet, index, kNoSlot, newest_, kNoSlot};
  (newest_ == kNoSlot ? oldest_ : waits_[newest_].newer) = at;
  newest_ = at;
  NextHop& hop = hops_[index];
  (hop.waiting == 0 ? hop.first_waiting : waits_[hop.last_waiting].next_of_hop) = at;
  hop.last_waiting = at;
  ++hop.waiting;
  ++waiting_;
  waiting_large_ += is_large(*packet->pool);
}

Packet* NextHops::take_waiting(NextHop& hop) {
  if (hop.waiting == 0) return nullptr;
  const uint16_t at = hop.first_waiting;
  Slot& slot = waits_[at];
  hop.first_waiting = slot.next_of_hop;
  --hop.waiting;
  (slot.older == kNoSlot ? oldest_ : waits_[slot.older].newer) = slot.newer;
  (slot.newer == kNoSlot ? newest_ : waits_[slot.newer].older) = slot.older;
  slot.next_of_hop = free_;
  free_ = at;
  --waiting_;
  waiting_large_ -= is_large(*slot.packet->pool);
  return slot.packet;
}

// The oldest of all is the oldest of its hop, too.
Packet* NextHops::take_oldest() {
  return oldest_ == kNoSlot ? nullptr : take_waiting(hops_[waits_[oldest_].hop]);
}

}  // namespace overlane
