// Neighbor table: (domain, IP) -> MAC, for proxy ARP and ND. Bounded; entries of the control plane are never replaced
// by snooped ones. Also remembers which unknown addresses were reported lately, so that a miss is one event.
#pragma once

#include <vector>

#include "core/time.h"
#include "table/address.h"
#include "table/flat_map.h"
#include "wire/ethernet.h"

namespace overlane {

struct Neighbor {
  Mac mac = 0;
  bool is_static = false;
};

struct Miss {
  IpAddress ip;
  uint16_t domain;
  uint16_t port;
  Nanos time;
};

class NeighborTable {
 public:
  NeighborTable(size_t capacity, uint64_t seed) : map_(capacity, seed) {}

  const Neighbor* find(uint16_t domain, IpAddress ip) { return map_.find({ip, domain}); }
  // False when the table is full.
  bool set(uint16_t domain, IpAddress ip, Mac mac);
  enum class Learned : uint8_t { kept, changed, refused };
  Learned learn(uint16_t domain, IpAddress ip, Mac mac);
  bool erase(uint16_t domain, IpAddress ip) { return map_.erase({ip, domain}); }
  void erase_domain(uint16_t domain);

  template <typename Visit>
  void each(Visit visit) const {
    map_.each(visit);
  }
  size_t size() const { return map_.size(); }

 private:
  FlatMap<AddressKey, Neighbor> map_;
};

// Misses wait here for the control plane: bounded, and the same address is not reported again within kQuiet.
class MissQueue {
 public:
  static constexpr Nanos kQuiet = 10'000'000'000;
  static constexpr size_t kQueue = 4096;
  static constexpr size_t kRecent = 4096;

  explicit MissQueue(uint64_t seed) : recent_(kRecent), seed_(seed) { queue_.reserve(kQueue); }

  enum class Raised : uint8_t { queued, quiet, lost };
  Raised raise(const Miss& miss);
  std::vector<Miss> take();
  // The same without giving up the memory.
  template <typename Visit>
  void take_each(Visit visit) {
    for (const Miss& miss : queue_) visit(miss);
    queue_.clear();
  }
  // The address is known now: a later miss of it is news again.
  void forget(uint16_t domain, IpAddress ip);

 private:
  struct Recent {
    AddressKey key;
    Nanos until = INT64_MIN;
  };
  Recent& recent(const AddressKey& key) { return recent_[(key.hash(seed_) >> 32) % kRecent]; }

  std::vector<Recent> recent_;
  std::vector<Miss> queue_;
  uint64_t seed_;
};

}  // namespace overlane
