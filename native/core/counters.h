// Named counters, one row a port. Plain integers: a row is written by one worker and read between bursts.
#pragma once

#include <cstdint>
#include <vector>

#include "core/packet.h"
#include "core/pool.h"

namespace overlane {

enum class Counter : uint8_t {
#define COUNTER(kind, name, about) name,
#include "core/counters.def"
#undef COUNTER
  count_
};

inline constexpr size_t kCounterCount = static_cast<size_t>(Counter::count_);

struct CounterInfo {
  const char* kind;
  const char* name;
  const char* about;
};
extern const CounterInfo kCounterInfo[kCounterCount];

struct alignas(kCacheLine) CounterRow {
  uint64_t values[kCounterCount] = {};
  OVERLANE_INLINE void add(Counter counter, uint64_t n = 1) { values[static_cast<size_t>(counter)] += n; }
  // A train that is lost is as many as its datagrams.
  void add_lost(const Packet& packet, Counter reason) {
    const uint32_t lost = packet.flags & kTrain ? datagrams_of(packet) : 1;
    add(Counter::segmented, lost - 1);
    add(reason, lost);
  }
  uint64_t get(Counter counter) const { return values[static_cast<size_t>(counter)]; }
};

class Counters {
 public:
  OVERLANE_INLINE CounterRow& port(uint32_t index) { return rows_[index]; }
  const std::vector<CounterRow>& rows() const { return rows_; }
  void resize(size_t ports) { rows_.resize(ports); }
  // The port is gone: its row begins anew, and what it counted stays in the totals.
  void retire(uint32_t index);
  // What ports that are gone counted.
  const CounterRow& retired() const { return retired_; }

  OVERLANE_INLINE void drop(Packet* packet, Counter reason) {
    rows_[packet->ingress].add(reason);
    release(packet);
  }
  uint64_t total(Counter counter) const;
  // received + originated + cloned + segmented - transmitted - consumed - coalesced - waiting - dropped: 0 between
  // bursts.
  int64_t imbalance() const;

 private:
  std::vector<CounterRow> rows_;
  CounterRow retired_;
};

}  // namespace overlane
