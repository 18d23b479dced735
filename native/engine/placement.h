// Where a worker runs that may choose. Left to the system, a thread wakes up on whichever CPU is idle: its buffers and
// tables move from cache to cache, and a sleeping CPU has to be interrupted, which costs more than most packets do. So
// while a worker has work again and again it keeps to the CPU where it was woken. When it never gets to the end of its
// work there, the system decides again.
#pragma once

#include <sched.h>

#include <cstdint>

#include "core/platform.h"
#include "core/time.h"

namespace overlane {

// For the thread that it is made in.
class Placement {
 public:
  // free: false leaves everything to others, and so does a kernel that does not say how long a thread was kept waiting
  // (CONFIG_SCHED_INFO).
  Placement(Nanos now, bool free);
  ~Placement();
  Placement(const Placement&) = delete;
  Placement& operator=(const Placement&) = delete;

  // There are packets after a wait for them.
  void woken() { ++wakes_; }
  // Between bursts; looks back once in kWindow.
  void review(Nanos now) {
    if (OVERLANE_UNLIKELY(now - since_ >= kWindow)) look_back(now);
  }
  // The CPU it keeps to; -1: none.
  int home() const { return home_; }

  static constexpr Nanos kWindow = 10'000'000;

 private:
  struct Usage {
    Nanos ran = 0;
    Nanos waited = 0;     // runnable, while others ran
    uint64_t sleeps = 0;  // of its own accord
  };

  bool read_usage(Usage& usage) const;
  void look_back(Nanos now);
  void choose_cpu(Nanos now, Nanos ran, Nanos waited, bool slept);
  void settle();
  void let_go();

  int schedstat_ = -1;  // descriptor
  int home_ = -1;
  cpu_set_t allowed_;     // before it kept to one
  Nanos since_;           // beginning of the window
  Nanos not_before_ = 0;  // when to try again
  Usage usage_;           // at the beginning of the window
  uint32_t wakes_ = 0;    // in the window
};

}  // namespace overlane
