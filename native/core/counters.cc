#include "core/counters.h"

#include <cstring>

namespace overlane {

const CounterInfo kCounterInfo[kCounterCount] = {
#define COUNTER(kind, name, about) {#kind, #name, about},
#include "core/counters.def"
#undef COUNTER
};

void Counters::retire(uint32_t index) {
  for (size_t i = 0; i < kCounterCount; ++i) retired_.values[i] += rows_[index].values[i];
  rows_[index] = {};
}

uint64_t Counters::total(Counter counter) const {
  uint64_t sum = retired_.get(counter);
  for (const CounterRow& row : rows_) sum += row.get(counter);
  return sum;
}

int64_t Counters::imbalance() const {
  uint64_t sum = total(Counter::rx_packets) + total(Counter::originated) + total(Counter::cloned) +
                 total(Counter::segmented) - total(Counter::tx_packets) - total(Counter::consumed) -
                 total(Counter::coalesced) - total(Counter::waiting);
  for (size_t i = 0; i < kCounterCount; ++i) {
    if (std::strcmp(kCounterInfo[i].kind, "drop") == 0) sum -= total(static_cast<Counter>(i));
  }
  return static_cast<int64_t>(sum);
}

}  // namespace overlane
