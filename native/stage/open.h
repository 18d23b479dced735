// open: authenticates and decrypts ESP packets (RFC 4303, section 3.4) of the peers of encrypted VNIs. A packet is an
// ESP packet with its Datagram (core/datagram.h) before, and a VXLAN datagram behind, with the keyring that opened it.
// Nothing is believed before the tag is right; the replay window moves only after that.
#pragma once

#include "core/datagram.h"
#include "stage/context.h"

namespace overlane {

// Packets that are one ESP packet each. What does not open is dropped, with the reason.
void open(Burst& burst, uint16_t underlay, Context& context);

// A train of ESP packets (Datagram::stride) becomes what they held, put together where it belongs together (see
// split_train). Gives it up; returns how many packets there are in `out`.
uint32_t open_train(Packet* train, uint16_t underlay, Packet** out, uint32_t max, Context& context);

// Hands what was opened to `next`, in order and a burst at a time; `burst` is empty afterwards.
template <typename Next>
void open_all(Burst& burst, uint16_t underlay, Context& context, Next next) {
  Burst opened;
  const auto pass_on = [&] {
    open(opened, underlay, context);
    if (opened.count > 0) next(opened);
    opened.count = 0;
  };
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    if (OVERLANE_LIKELY(datagram_of(*packet).stride == 0)) {
      opened.packets[opened.count++] = packet;
      continue;
    }
    if (opened.count > 0) pass_on();
    opened.count = open_train(packet, underlay, opened.packets, kMaxBurst, context);
    if (opened.count > 0) next(opened);
    opened.count = 0;
  }
  burst.count = 0;
  if (opened.count > 0) pass_on();
}

}  // namespace overlane
