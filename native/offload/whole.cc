#include "offload/whole.h"

#include "offload/merge.h"
#include "offload/segment.h"
#include "stage/parse.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"

namespace overlane {

bool mark_whole(Packet& packet, uint32_t prefix, uint32_t longest, uint32_t stride) {
  const bool train = stride != 0 && stride < packet.length;
  if (OVERLANE_UNLIKELY(packet.length < prefix + sizeof(Ethernet))) return !train;
  const uint8_t* frame = packet.data + prefix;
  const Headers h = parse_frame(frame, packet.length - prefix);
  if (train) {
    // In a train the first frame ends where its stride does, so usually this is all.
    if (OVERLANE_LIKELY(h.end + prefix != packet.length || h.protocol != ip_protocol::kUdp)) return false;
    if (stride < kMinSegment || stride > UINT16_MAX || !has_partial_checksum(frame, h)) return false;
    packet.segment = static_cast<uint16_t>(stride);
    packet.flags |= kPartialChecksum;
    return true;
  }
  if (OVERLANE_LIKELY(!has_partial_checksum(frame, h))) return true;
  packet.flags |= kPartialChecksum;
  const uint32_t header = prefix + h.payload;
  if (packet.length > longest && h.protocol == ip_protocol::kTcp && header + kMinSegment <= longest) {
    packet.segment = static_cast<uint16_t>(longest - header);
  }
  return true;
}

}  // namespace overlane
