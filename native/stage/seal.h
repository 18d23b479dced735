// seal: encrypts what goes to the VTEPs of encrypted VNIs (ESP in transport mode, RFC 4303, with AES-GCM, RFC 4106). A
// packet is a VXLAN datagram (core/datagram.h) before, and an ESP packet behind; it grows into headroom and tailroom.
#pragma once

#include "stage/context.h"

namespace overlane {

// Packets whose `source` is the tunnel that they go into; ordinary ones. Drops what cannot be sealed: nothing leaves in
// the clear.
void seal(Burst& burst, const Underlay& underlay, Context& context);

// A super-frame becomes trains of ESP packets (Datagram::stride): its segments, sealed. Gives it up; returns how many
// trains there are in `out`.
uint32_t seal_super_frame(Packet* packet, const Underlay& underlay, Packet** out, uint32_t max, Context& context);

// Hands what is sealed to `next`, in order and a burst at a time; `burst` is empty afterwards.
template <typename Next>
void seal_all(Burst& burst, const Underlay& underlay, Context& context, Next next) {
  Burst sealed;
  const auto pass_on = [&] {
    seal(sealed, underlay, context);
    if (sealed.count > 0) next(sealed);
    sealed.count = 0;
  };
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    if (OVERLANE_LIKELY(packet->segment == 0)) {
      sealed.packets[sealed.count++] = packet;
      continue;
    }
    if (sealed.count > 0) pass_on();
    sealed.count = seal_super_frame(packet, underlay, sealed.packets, kMaxBurst, context);
    if (sealed.count > 0) next(sealed);
    sealed.count = 0;
  }
  burst.count = 0;
  if (sealed.count > 0) pass_on();
}

}  // namespace overlane
