// Datagrams with a whole frame in them that the sender's kernel left unfinished, as the vxlan device of the same
// machine does across veth: a super-frame in one datagram, a checksum that no hardware computed.
#pragma once

#include "core/packet.h"

namespace overlane {

// `packet` is what one read gave: a `prefix` (a VXLAN header) and a frame. stride: what UDP_GRO said, 0 for nothing;
// longest: bytes of datagram that the MTU allows. False: it is a train of datagrams of `stride` bytes, for split_train,
// and unchanged. True: it is one frame, and its segment and flags are set: the frame of a longer datagram is a
// super-frame of TCP, to be cut as the MTU has it; one in which the UDP datagram goes on past the stride, of UDP; a
// checksum left open is kPartialChecksum. Only a frame with an open checksum can be a super-frame: what is merely long
// was fragmented on its way, and stays as it is. Headers are not set.
bool mark_whole(Packet& packet, uint32_t prefix, uint32_t longest, uint32_t stride);

}  // namespace overlane
