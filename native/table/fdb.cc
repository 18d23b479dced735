#include "table/fdb.h"

#include <algorithm>

#include "table/stores.h"

namespace overlane {

void Fdb::set_domain(uint16_t domain, uint16_t bridge, Tick ageing) {
  if (ageing_.size() <= domain) {
    ageing_.resize(domain + 1u, 0);
    domain_bridge_.resize(domain + 1u, 0);
    telling_shift_.resize(domain + 1u, 0);
  }
  constexpr Tick kTellings = 4;
  uint8_t shift = 0;
  while (shift < 31 && (Tick{2} << shift) <= ageing / kTellings) ++shift;
  telling_shift_[domain] = shift;
  ageing_[domain] = ageing;
  domain_bridge_[domain] = bridge;
}

void Fdb::set_bridge(uint16_t bridge, uint32_t limit) {
  if (bridges_.size() <= bridge) bridges_.resize(bridge + 1u);
  bridges_[bridge].limit = limit;
}

void Fdb::set_place(Place place, uint16_t bridge, uint32_t limit) {
  auto& quotas = is_tunnel(place) ? tunnels_ : ports_;
  const uint32_t index = is_tunnel(place) ? tunnel_index(place) : place;
  if (quotas.size() <= index) quotas.resize(index + 1u);
  PlaceQuota& quota = quotas[index];
  if (!quota.used) ++bridges_[bridge].places;
  quota = {limit, quota.entries, bridge, true};
}

void Fdb::remove_place(Place place) {
  erase_if([place](FdbKey, Place of) { return of == place; });
  PlaceQuota& quota = place_quota(place);
  if (quota.used) --bridges_[quota.bridge].places;
  quota = {};
}

namespace {

template <typename Store>
class FdbOf final : public Fdb {
 public:
  FdbOf(uint32_t entries, uint64_t seed) : store_(entries, seed), capacity_(entries) {}

  using Fdb::look_up;

  void locate(const FdbKey* keys, uint32_t count, uint32_t* at) const override {
    for (uint32_t i = 0; i < count; ++i) at[i] = store_.locate(keys[i]);
  }

  uint32_t learn(const FdbKey* keys, const uint32_t* at, const Place* from, const uint8_t* learns, uint32_t count,
                 Tick now, uint8_t* conflict, CounterRow& row) override {
    uint32_t conflicts = 0;
    for (uint32_t i = 0; i < count; ++i) {
      uint64_t* value = store_.find(keys[i], at[i]);
      if (OVERLANE_LIKELY(value != nullptr && FdbValue::place(*value) == from[i])) {
        if (OVERLANE_UNLIKELY(FdbValue::seen(*value) != now && learns[i] && !FdbValue::is_static(*value))) {
          if (OVERLANE_UNLIKELY(is_worth_telling(keys[i], FdbValue::seen(*value), now))) note(keys[i], from[i]);
          *value = FdbValue::make(from[i], now);
        }
      } else if (value != nullptr && FdbValue::is_static(*value)) {
        conflict[i] = 1;
        ++conflicts;
      } else if (learns[i]) {
        note(keys[i], from[i]);
        if (value == nullptr) {
          learn_new(keys[i], from[i], now, row);
        } else {
          move(keys[i], *value, from[i], now, row);
        }
      }
    }
    return conflicts;
  }

  void hear(FdbKey key, Place place, Tick now) override {
    uint64_t* value = store_.find(key, store_.locate(key));
    CounterRow told;  // who learned it counted it
    if (value == nullptr) {
      learn_new(key, place, now, told);
    } else if (FdbValue::is_static(*value)) {
      return;
    } else if (FdbValue::place(*value) == place) {
      *value = FdbValue::make(place, now);
    } else {
      move(key, *value, place, now, told);
    }
  }

  void look_up(const FdbKey* keys, const uint32_t* at, uint32_t count, Tick now, Place* places) const override {
    for (uint32_t i = 0; i < count; ++i) {
      const uint64_t* value = store_.find(keys[i], at[i]);
      places[i] = value != nullptr && !expired(keys[i], *value, now) ? FdbValue::place(*value) : kNowhere;
    }
  }

  void age(Tick now, uint32_t slots, CounterRow& row) override {
    scan_budget_ = now != scan_tick_ ? store_.slots() : std::min(store_.slots(), scan_budget_ + kScanABurst);
    scan_tick_ = now;
    store_.scan(slots, [&](FdbKey key, uint64_t value) {
      if (!expired(key, value, now)) return Visit::keep;
      row.add(Counter::fdb_aged);
      count(key, FdbValue::place(value), -1);
      return Visit::erase;
    });
  }

  bool set_static(FdbKey key, Place place) override {
    uint64_t* value = store_.find(key, store_.locate(key));
    if (value != nullptr && !FdbValue::is_static(*value)) count(key, FdbValue::place(*value), -1);
    if (value == nullptr) value = store_.size() < capacity_ ? store_.insert(key) : nullptr;
    if (value == nullptr) return false;
    *value = place | FdbValue::kStatic;
    return true;
  }

  bool erase(FdbKey key) override {
    const uint64_t* value = store_.find(key, store_.locate(key));
    if (value == nullptr) return false;
    if (!FdbValue::is_static(*value)) count(key, FdbValue::place(*value), -1);
    store_.erase(key);
    return true;
  }

  void erase_if(const std::function<bool(FdbKey, Place)>& gone) override {
    store_.scan(store_.slots(), [&](FdbKey key, uint64_t value) {
      if (!gone(key, FdbValue::place(value))) return Visit::keep;
      if (!FdbValue::is_static(value)) count(key, FdbValue::place(value), -1);
      return Visit::erase;
    });
  }

  void each(Tick now, const std::function<void(const FdbRow&)>& visit) const override {
    store_.each([&](FdbKey key, uint64_t value) {
      if (expired(key, value, now)) return;
      bool fixed = FdbValue::is_static(value);
      visit({key, FdbValue::place(value), fixed ? 0 : now - FdbValue::seen(value), fixed});
    });
  }

  size_t size() const override { return store_.size(); }
  size_t bytes() const override { return store_.bytes(); }

 private:
  static constexpr size_t kScanABurst = 1024;

  OVERLANE_INLINE bool expired(FdbKey key, uint64_t value, Tick now) const {
    return !FdbValue::is_static(value) && now - FdbValue::seen(value) > ageing_[fdb_domain(key)];
  }

  OVERLANE_NOINLINE void learn_new(FdbKey key, Place from, Tick now, CounterRow& row) {
    const PlaceQuota& place = place_quota(from);
    if (place.entries >= place.limit) return row.add(Counter::fdb_refused_port);
    const BridgeQuota& bridge = bridge_quota(key);
    if (bridge.entries >= bridge.limit && !make_room(key, from, now, row)) {
      return row.add(Counter::fdb_refused_bridge);
    }
    uint64_t* value = store_.size() < capacity_ ? store_.insert(key) : nullptr;
    if (value == nullptr) return row.add(Counter::fdb_refused_table);
    *value = FdbValue::make(from, now);
    count(key, from, 1);
    row.add(Counter::fdb_learned);
  }

  OVERLANE_NOINLINE void move(FdbKey key, uint64_t& value, Place from, Tick now, CounterRow& row) {
    const PlaceQuota& place = place_quota(from);
    if (place.entries >= place.limit) return row.add(Counter::fdb_refused_port);
    row.add(expired(key, value, now) ? Counter::fdb_learned : Counter::fdb_moved);
    count(key, FdbValue::place(value), -1);
    count(key, from, 1);
    value = FdbValue::make(from, now);
  }

  // In a full bridge: for a place below its fair share, takes the slot of an expired entry or of a place above its
  // own; there is always one. A flooding place is refused without looking, and the looking has a budget (the whole
  // table once a tick, and a little every burst), so that a flood cannot buy time with it.
  bool make_room(FdbKey key, Place from, Tick now, CounterRow& row) {
    const BridgeQuota& bridge = bridge_quota(key);
    const uint32_t fair = bridge.fair();
    if (place_quota(from).entries >= fair) return false;
    bool room = false;
    scan_budget_ -= store_.scan(scan_budget_, [&](FdbKey other, uint64_t value) {
      if (FdbValue::is_static(value) || &bridge_quota(other) != &bridge) return Visit::keep;
      const bool old = expired(other, value, now);
      if (!old && place_quota(FdbValue::place(value)).entries <= fair) return Visit::keep;
      row.add(old ? Counter::fdb_aged : Counter::fdb_evicted);
      count(other, FdbValue::place(value), -1);
      room = true;
      return Visit::erase_and_stop;
    });
    return room;
  }

  Store store_;
  size_t capacity_;
  size_t scan_budget_ = SIZE_MAX / 2;
  Tick scan_tick_ = 0;
};

}  // namespace

std::unique_ptr<Fdb> make_fdb(FdbKind kind, uint32_t entries, uint64_t seed) {
  if (kind == FdbKind::map) return std::make_unique<FdbOf<MapStore>>(entries, seed);
  return std::make_unique<FdbOf<BucketStore>>(entries, seed);
}

}  // namespace overlane
