// Time is handed in, never read: nanoseconds since the epoch, and the coarse tick that tables store.
#pragma once

#include <cstdint>

namespace overlane {

using Nanos = int64_t;
using Tick = uint32_t;  // 2^24 ns = 16.8 ms; wraps after 2.3 years, differences stay right

inline constexpr unsigned kTickShift = 24;
inline constexpr Nanos kTickNanos = Nanos{1} << kTickShift;
inline constexpr Nanos kNever = INT64_MAX;
inline constexpr Tick kNoAgeing = UINT32_MAX;

constexpr Tick tick_of(Nanos now) {
  return static_cast<Tick>(static_cast<uint64_t>(now) >> kTickShift);
}

}  // namespace overlane
