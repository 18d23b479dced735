// Does what offloads would have done: super-frames are cut into segments, checksums that were left open completed.
#pragma once

#include <algorithm>

#include "port/port.h"
#include "stage/context.h"
#include "wire/ipv4.h"

namespace overlane {

// Whether a port with these offloads takes the packet as it is.
OVERLANE_INLINE bool takes(const Packet& packet, uint8_t offloads) {
  if (OVERLANE_LIKELY(packet.is_ordinary())) return true;
  if (packet.flags & kInnerOffload) return false;
  if (packet.segment == 0) return offloads & kTakesPartialChecksum;
  return offloads & (packet.headers.protocol == ip_protocol::kTcp ? kTakesTso : kTakesUso);
}

// Makes ordinary packets of one that is not. Returns how many there are in `out`; the rest is dropped and counted.
uint32_t finish(Packet* packet, Packet** out, uint32_t max, Context& context);

// Hands the packets of `burst`, in order and a burst at a time, to `next`; those that `fine` says no to are finished
// before, by `make`, whose parameters are those of finish(). Both bursts are empty afterwards.
template <typename Fine, typename Next, typename Make = decltype(finish)>
void finish_all(Burst& burst, Context& context, Fine fine, Next next, Make make = finish) {
  if (OVERLANE_LIKELY(std::all_of(burst.packets, burst.packets + burst.count, [&](Packet* p) { return fine(*p); }))) {
    return next(burst);
  }
  Burst finished;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    if (fine(*packet)) {
      finished.packets[finished.count++] = packet;
    } else {
      if (packet->segment != 0 && finished.count > 0) next(finished);  // room for a whole super-frame
      finished.count += make(packet, finished.packets + finished.count, kMaxBurst - finished.count, context);
    }
    if (finished.count == kMaxBurst) next(finished);
  }
  burst.count = 0;
  if (finished.count > 0) next(finished);
}

}  // namespace overlane
