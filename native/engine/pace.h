// Whether a worker goes on polling after a burst. It does for `spin` from the burst's beginning, but only while bursts
// come close together: who has sent one packet in milliseconds wants it carried by the next thread, and not the CPU
// kept.
#pragma once

#include <algorithm>

#include "core/time.h"

namespace overlane {

class Pace {
 public:
  Pace(Nanos spin, Nanos now) : spin_(spin), last_(now), gap_(kLongest * spin) {}

  void burst(Nanos now) {
    gap_ += (std::clamp<Nanos>(now - last_, 0, kLongest * spin_) - gap_) / kWeight;
    last_ = now;
  }
  bool spins(Nanos now) const { return now - last_ < spin_ && gap_ < kClose * spin_; }

 private:
  static constexpr Nanos kClose = 5;      // spins from burst to burst; with 1 TCP over two nodes loses a tenth
  static constexpr Nanos kLongest = 100;  // what a pause counts at most, so that load is noticed within some 25 bursts
  static constexpr Nanos kWeight = 8;

  Nanos spin_;
  Nanos last_;  // when the last burst began
  Nanos gap_;   // between bursts, smoothed
};

}  // namespace overlane
