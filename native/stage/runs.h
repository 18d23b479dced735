// A burst whose packets are not all alike: runs of ordinary ones go through a stage together, each of the others by
// itself, as it becomes several.
#pragma once

#include "core/packet.h"

namespace overlane {

// Hands what comes out to `next`, in order and a burst at a time; `burst` is empty afterwards. together(Burst&): does
// its work in place. apart(Packet*, Packet** out, max): returns how many it made.
template <typename Ordinary, typename Together, typename Apart, typename Next>
void in_runs(Burst& burst, Ordinary is_ordinary, Together together, Apart apart, Next next) {
  Burst run;
  const auto pass_on = [&] {
    if (run.count > 0) next(run);
    run.count = 0;
  };
  const auto end_run = [&] {
    if (run.count > 0) together(run);
    pass_on();
  };
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    if (OVERLANE_LIKELY(is_ordinary(*packet))) {
      run.packets[run.count++] = packet;
      continue;
    }
    end_run();
    run.count = apart(packet, run.packets, kMaxBurst);
    pass_on();
  }
  burst.count = 0;
  end_run();
}

}  // namespace overlane
