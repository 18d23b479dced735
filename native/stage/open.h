// open: authenticates and decrypts ESP packets (RFC 4303, section 3.4) of the peers of encrypted VNIs. A packet is an
// ESP packet with its Datagram (core/datagram.h) before, and a VXLAN datagram behind, with the keyring that opened it.
// Nothing is believed before the tag is right; the replay window moves only after that.
#pragma once

#include "core/datagram.h"
#include "stage/context.h"
#include "stage/runs.h"

namespace overlane {

// Packets that are one ESP packet each. What does not open is dropped, with the reason.
void open(Burst& burst, uint16_t underlay, Context& context);

// A train of ESP packets (Datagram::stride) becomes what they held, put together where it belongs together (see
// split_train). Gives it up; returns how many packets there are in `out`.
uint32_t open_train(Packet* train, uint16_t underlay, Packet** out, uint32_t max, Context& context);

// Hands what was opened to `next`, in order and a burst at a time; `burst` is empty afterwards.
template <typename Next>
void open_all(Burst& burst, uint16_t underlay, Context& context, Next next) {
  in_runs(
      burst, [](const Packet& packet) { return datagram_of(packet).stride == 0; },
      [&](Burst& run) { open(run, underlay, context); },
      [&](Packet* packet, Packet** out, uint32_t max) { return open_train(packet, underlay, out, max, context); },
      next);
}

}  // namespace overlane
