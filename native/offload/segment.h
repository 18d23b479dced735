// Cutting super-frames (TSO, USO) into packets of a wire, and finishing checksums that were left to hardware. Headers
// are written anew for each segment; the payload is read for its checksum and moved only by write_segment() and cut().
#pragma once

#include "core/headers.h"
#include "core/packet.h"
#include "core/pool.h"

namespace overlane {

// The longest header that write_segment_header() may write: Ethernet, 2 tags, IPv6 with extensions, TCP with options.
inline constexpr uint32_t kMaxSegmentHeader = 256;
// The shortest segment, as Linux has it for TCP: less makes more headers than payload.
inline constexpr uint32_t kMinSegment = 8;

// A super-frame, and how it comes apart. Views the frame; valid as long as that stays.
struct Segmentation {
  const uint8_t* frame = nullptr;
  Headers headers;
  uint32_t header = 0;   // bytes from the Ethernet header to the end of the TCP or UDP header
  uint32_t payload = 0;  // bytes after that
  uint32_t segment = 0;  // payload bytes of each segment but the last
  uint32_t count = 0;    // segments
  // What the checksums of all segments have in common.
  uint64_t ip_sum = 0;         // IPv4 header without length, ID and checksum
  uint64_t transport_sum = 0;  // pseudo-header and TCP or UDP header without what differs

  uint32_t payload_of(uint32_t i) const { return i + 1 < count ? segment : payload - segment * (count - 1); }
  const uint8_t* payload_at(uint32_t i) const { return frame + header + segment * i; }
};

// False when it is no TCP or UDP super-frame whose headers parse found whole, it has no payload or its header is too
// long, a segment is shorter than kMinSegment or makes an IP datagram over 64 KiB, TCP opens or resets a connection,
// or an IPv6 extension header may not be repeated (a jumbogram's, AH, routing that is not done). One segment is a plan
// too.
bool plan_segments(const uint8_t* frame, uint32_t length, const Headers& headers, uint16_t segment, Segmentation& plan);

// Writes the header of segment i, `plan.header` bytes, complete: lengths, IPv4 ID (the super-frame's + i, whether or
// not DF is set) and checksum, TCP sequence number and flags (CWR on the first, FIN and PSH on the last), TCP or UDP
// checksum over the segment's payload. As Linux's GSO. A UDP checksum of 0 over IPv4, which no partial one is, stays.
// `to` must not overlap the frame.
void write_segment_header(const Segmentation& plan, uint32_t i, uint8_t* to);
// The same, and the payload behind it: plan.header + plan.payload_of(i) bytes, in one pass over the payload.
void write_segment(const Segmentation& plan, uint32_t i, uint8_t* to);

// Cuts a super-frame that was parsed into ordinary packets, which take over its metadata and have their headers set;
// gives up the super-frame. Returns how many were made: at most `max`, 0 when it is not one (it is untouched then) and
// fewer than plan.count when the pool is empty, but never none: the last one made lies in the super-frame's buffer.
uint32_t cut(Packet* super, Packet** out, uint32_t max, Pools& pools);

// Computes the TCP or UDP checksum of an ordinary packet with kPartialChecksum, whose headers are set, and clears the
// flag. Takes the field for the pseudo-header's sum, as hardware does. False when headers say that there is none to
// compute; the packet is unchanged then.
bool complete_checksum(Packet& packet);

}  // namespace overlane
