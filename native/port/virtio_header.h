// struct virtio_net_hdr (VIRTIO 1.2, section 5.1.6), as TUN/TAP and AF_PACKET put it before each frame: what the
// sender left to the receiver. Fields are in the host's byte order.
#pragma once

#include <cstdint>

namespace overlane {

struct VirtioHeader {
  uint8_t flags;             // 0
  uint8_t gso_type;          // 1
  uint16_t header_length;    // 2-3  Ethernet to the end of the TCP or UDP header; 0 in ordinary frames
  uint16_t gso_size;         // 4-5  payload bytes of a segment
  uint16_t checksum_start;   // 6-7  offset in the frame
  uint16_t checksum_offset;  // 8-9  from there
};
static_assert(sizeof(VirtioHeader) == 10);

namespace virtio {
inline constexpr uint8_t kNeedsChecksum = 1;  // flags
inline constexpr uint8_t kGsoNone = 0;        // gso_type
inline constexpr uint8_t kGsoTcp4 = 1;
inline constexpr uint8_t kGsoTcp6 = 4;
inline constexpr uint8_t kGsoUdp = 5;     // either IP version; Linux 6.2
inline constexpr uint8_t kGsoEcn = 0x80;  // or-ed to it: the first segment has CWR
}  // namespace virtio

}  // namespace overlane
