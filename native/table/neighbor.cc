#include "table/neighbor.h"

#include <utility>

namespace overlane {

bool NeighborTable::set(uint16_t domain, IpAddress ip, Mac mac) {
  Neighbor* neighbor = map_.insert({ip, domain});
  if (neighbor == nullptr) return false;
  *neighbor = {mac, true};
  return true;
}

NeighborTable::Learned NeighborTable::learn(uint16_t domain, IpAddress ip, Mac mac) {
  Neighbor* neighbor = map_.insert({ip, domain});
  if (neighbor == nullptr) return Learned::refused;
  if (neighbor->is_static || neighbor->mac == mac) return Learned::kept;
  neighbor->mac = mac;
  return Learned::changed;
}

void NeighborTable::erase_domain(uint16_t domain) {
  std::vector<AddressKey> gone;
  map_.each([&](const AddressKey& key, const Neighbor&) {
    if (key.space == domain) gone.push_back(key);
  });
  for (const AddressKey& key : gone) map_.erase(key);
}

MissQueue::Raised MissQueue::raise(const Miss& miss) {
  AddressKey key{miss.ip, miss.domain};
  Recent& last = recent(key);
  if (last.key == key && miss.time < last.until) return Raised::quiet;
  if (queue_.size() == kQueue) return Raised::lost;
  last = {key, miss.time + kQuiet};
  queue_.push_back(miss);
  return Raised::queued;
}

std::vector<Miss> MissQueue::take() {
  std::vector<Miss> out = std::exchange(queue_, {});
  queue_.reserve(kQueue);
  return out;
}

void MissQueue::forget(uint16_t domain, IpAddress ip) {
  AddressKey key{ip, domain};
  Recent& last = recent(key);
  if (last.key == key) last.until = INT64_MIN;
}

}  // namespace overlane
