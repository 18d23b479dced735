// Cutting super-frames (TSO, USO) into packets of a wire, and finishing checksums that were left to hardware. Headers
// are written anew for each segment; the payload is read for its checksum and never moved, except by cut().
#pragma once

#include "core/headers.h"
#include "core/packet.h"
#include "core/pool.h"

namespace overlane {

// A super-frame, and how it comes apart. Views the frame; valid as long as that stays.
struct Segmentation {
  const uint8_t* frame = nullptr;
  Headers headers;
  uint32_t header = 0;   // bytes from the Ethernet header to the end of the TCP or UDP header
  uint32_t payload = 0;  // bytes after that
  uint32_t segment = 0;  // payload bytes of each segment but the last
  uint32_t count = 0;    // segments

  uint32_t payload_of(uint32_t i) const { return i + 1 < count ? segment : payload - segment * (count - 1); }
  const uint8_t* payload_at(uint32_t i) const { return frame + header + segment * i; }
};

// The longest header that write_segment_header() may write: Ethernet, 2 tags, IPv6 with extensions, TCP with options.
inline constexpr uint32_t kMaxSegmentHeader = 256;

// False when it is no TCP or UDP super-frame whose headers parse found whole, or its header is too long, or it would
// make more than 64 Ki segments of less than 8 bytes.
bool plan_segments(const uint8_t* frame, uint32_t length, const Headers& headers, uint16_t segment, Segmentation& plan);

// Writes the header of segment i, `plan.header` bytes, complete: lengths, IPv4 ID and checksum, TCP sequence number and
// flags (CWR on the first, FIN and PSH on the last), TCP or UDP checksum over the segment's payload. As Linux's GSO.
void write_segment_header(const Segmentation& plan, uint32_t i, uint8_t* to);

// Cuts a super-frame into ordinary packets, which take over its metadata; gives up the super-frame. Returns how many
// were made: at most `max`, 0 when it is not one (it is untouched then) and fewer than plan.count when the pool is
// empty.
uint32_t cut(Packet* super, Packet** out, uint32_t max, Pools& pools);

// Computes the TCP or UDP checksum of an ordinary packet with kPartialChecksum and clears the flag. False when headers
// say that there is none to compute.
bool complete_checksum(Packet& packet);

}  // namespace overlane
