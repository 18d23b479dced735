// Between a VirtioHeader, which the kernel puts before a frame or takes there, and what a packet says of itself.
#pragma once

#include "core/packet.h"
#include "port/virtio_header.h"

namespace overlane {

// Takes up what the kernel left to us: sets `segment` and kPartialChecksum, or finishes a checksum that the latter
// cannot describe (of an inner header, of another protocol). data and length are set; the header's offsets are those
// before `tag` bytes of VLAN tag were put in. False: a super-frame that cannot be described, or a header that lies.
bool accept_offload(const VirtioHeader& header, uint32_t tag, Packet& packet);

// Whether a super-frame of that gso_type may be of these headers.
bool gso_fits(uint8_t gso_type, uint8_t ip_version, uint8_t protocol);

// Finishes a checksum that kPartialChecksum cannot describe: of the bytes from `start` on, its field at `field`, which
// is not before. False: the frame has no such bytes.
bool finish_checksum(uint8_t* frame, uint32_t length, uint32_t start, uint32_t field);

// The header for a packet whose headers are set. False: no whole TCP or UDP, so there is nothing to leave to the
// kernel.
bool describe_offload(const Packet& packet, VirtioHeader& header);

}  // namespace overlane
