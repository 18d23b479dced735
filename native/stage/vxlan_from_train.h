// Takes a super-frame of UDP apart that came from a `frame` underlay: the kernel of this machine hands on whole what a
// sender on it made (UDP_SEGMENT, USO). The outer headers are looked at once, and what belongs together in the frames
// inside stays together, and counts as one from here on.
#pragma once

#include "stage/context.h"

namespace overlane {

OVERLANE_INLINE bool is_outer_train(const Packet& packet) {
  return packet.segment != 0 && !(packet.flags & kInnerOffload);
}

// `train`: parsed, as is_outer_train() says. `datagrams` becomes the VXLAN datagrams of it, for vxlan_from_datagrams().
// Returns their underlay; kNoUnderlay: it is dropped and counted.
uint16_t vxlan_from_train(Packet* train, uint16_t carrier, Burst& datagrams, Context& context);

}  // namespace overlane
