// FDB, the MAC table: (domain, MAC) -> place, learned, aged, limited. Callers work in bursts; what is behind the
// bursts is a store that a researcher may swap (see table/stores.h).
//
// When a limit is reached. A port at its own limit learns nothing more. In a bridge at its limit a place that holds its
// fair share (limit / places) or more learns nothing more; one that holds less takes the slot of an entry of a place
// above its share. So a flood of MACs from one port can neither forget another port's stations nor keep them from
// being learned. Frames are forwarded all the same; only the learning is refused, and counted. Static entries count
// against no limit and are never evicted or moved.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/counters.h"
#include "core/packet.h"
#include "core/time.h"
#include "table/news.h"
#include "wire/ethernet.h"

namespace overlane {

// Domain in the high 16 bits, MAC below. 0 is no key: MAC 0 is never a station.
using FdbKey = uint64_t;
OVERLANE_INLINE FdbKey fdb_key(uint16_t domain, Mac mac) {
  return uint64_t{domain} << 48 | mac;
}
OVERLANE_INLINE Mac fdb_mac(FdbKey key) {
  return key & kMacMask;
}
OVERLANE_INLINE uint16_t fdb_domain(FdbKey key) {
  return static_cast<uint16_t>(key >> 48);
}

// Place in the low 24 bits, flags in the next 8, the tick it was last seen in the high 32.
struct FdbValue {
  static constexpr uint64_t kStatic = 1 << 24;
  static OVERLANE_INLINE uint64_t make(Place place, Tick seen) { return uint64_t{seen} << 32 | place; }
  static OVERLANE_INLINE Place place(uint64_t value) { return value & kPlaceMask; }
  static OVERLANE_INLINE Tick seen(uint64_t value) { return static_cast<Tick>(value >> 32); }
  static OVERLANE_INLINE bool is_static(uint64_t value) { return value & kStatic; }
};

struct FdbRow {
  FdbKey key;
  Place place;
  Tick age;
  bool is_static;
};

class Fdb {
 public:
  virtual ~Fdb() = default;

  // Where the entries of a burst's keys lie, for learn and look_up of the same keys; brings them near.
  virtual void locate(const FdbKey* keys, uint32_t count, uint32_t* at) const = 0;
  // keys[i] was seen coming from from[i], and is learned where learns[i]. conflict[i] is set to 1 where the key is
  // static elsewhere, and the number of those returned. Events are counted in `row`.
  virtual uint32_t learn(const FdbKey* keys, const uint32_t* at, const Place* from, const uint8_t* learns,
                         uint32_t count, Tick now, uint8_t* conflict, CounterRow& row) = 0;
  // places[i] = where keys[i] is, or kNowhere.
  virtual void look_up(const FdbKey* keys, const uint32_t* at, uint32_t count, Tick now, Place* places) const = 0;
  Place look_up(FdbKey key, Tick now) const {
    uint32_t at;
    Place place;
    locate(&key, 1, &at);
    look_up(&key, &at, 1, now, &place);
    return place;
  }
  // What another worker learned; as learn(), and not passed on.
  virtual void hear(FdbKey key, Place place, Tick now) = 0;
  // Where what is learned, moved or used again is noted for the other workers.
  void tell(NewsList* news) { news_ = news; }
  // Forgets what expired among the next `slots` slots; called once a burst it goes round the whole table.
  virtual void age(Tick now, uint32_t slots, CounterRow& row) = 0;

  // False when the table has no slot.
  virtual bool set_static(FdbKey key, Place place) = 0;
  virtual bool erase(FdbKey key) = 0;
  // Removes the entries that `gone` says yes to; a slow walk for configuration changes.
  virtual void erase_if(const std::function<bool(FdbKey, Place)>& gone) = 0;
  virtual void each(Tick now, const std::function<void(const FdbRow&)>& visit) const = 0;

  virtual size_t size() const = 0;
  // Memory that the table holds, and never exceeds.
  virtual size_t bytes() const = 0;

  // Configuration, between bursts.
  void set_domain(uint16_t domain, uint16_t bridge, Tick ageing);
  void set_bridge(uint16_t bridge, uint32_t limit);
  void set_place(Place place, uint16_t bridge, uint32_t limit);
  void remove_place(Place place);

 protected:
  struct BridgeQuota {
    uint32_t limit = 0;
    uint32_t places = 0;
    uint32_t entries = 0;
    OVERLANE_INLINE uint32_t fair() const { return limit / (places == 0 ? 1 : places); }
  };
  struct PlaceQuota {
    uint32_t limit = 0;
    uint32_t entries = 0;
    uint16_t bridge = 0;
    bool used = false;
  };

  BridgeQuota& bridge_quota(FdbKey key) { return bridges_[domain_bridge_[fdb_domain(key)]]; }
  PlaceQuota& place_quota(Place place) { return is_tunnel(place) ? tunnels_[tunnel_index(place)] : ports_[place]; }
  void count(FdbKey key, Place place, int change) {
    bridge_quota(key).entries += static_cast<uint32_t>(change);
    place_quota(place).entries += static_cast<uint32_t>(change);
  }

  // A station in use is told of again a few times within its ageing time, so that it ages nowhere.
  OVERLANE_INLINE bool is_worth_telling(FdbKey key, Tick seen, Tick now) const {
    return news_ != nullptr && news_->enabled() && (seen ^ now) >> telling_shift_[fdb_domain(key)] != 0;
  }
  void note(FdbKey key, Place place) {
    if (news_ != nullptr) news_->add({News::Kind::station, fdb_domain(key), place, fdb_mac(key), {}});
  }

  NewsList* news_ = nullptr;
  std::vector<Tick> ageing_;  // by domain
  std::vector<uint8_t> telling_shift_;
  std::vector<uint16_t> domain_bridge_;
  std::vector<BridgeQuota> bridges_;
  std::vector<PlaceQuota> ports_;
  std::vector<PlaceQuota> tunnels_;
};

enum class FdbKind : uint32_t { bucket, map };
inline constexpr const char* kFdbKinds[] = {"bucket", "map"};

// entries: how many fit, static ones included. seed keys the hash. Throws std::bad_alloc.
std::unique_ptr<Fdb> make_fdb(FdbKind kind, uint32_t entries, uint64_t seed);

}  // namespace overlane
