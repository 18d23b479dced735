// seal: encrypts what goes to the VTEPs of encrypted VNIs (ESP in transport mode, RFC 4303, with AES-GCM, RFC 4106). A
// packet is a VXLAN datagram (core/datagram.h) before, and an ESP packet behind; it grows into headroom and tailroom.
#pragma once

#include "stage/context.h"
#include "stage/runs.h"

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
  in_runs(
      burst, [](const Packet& packet) { return packet.segment == 0; },
      [&](Burst& run) { seal(run, underlay, context); },
      [&](Packet* packet, Packet** out, uint32_t max) { return seal_super_frame(packet, underlay, out, max, context); },
      next);
}

}  // namespace overlane
