// Putting packets of one flow together into a super-frame (GRO): TCP over IPv4 and IPv6 in sequence, UDP datagrams of
// equal size. What does not fit exactly is left alone, in order.
#pragma once

#include "core/headers.h"
#include "core/packet.h"
#include "core/pool.h"

namespace overlane {

// One super-frame in the making. Reads frames, changes none until finish().
class Merger {
 public:
  // Begins with this frame. False: it can never be the beginning of a super-frame (not TCP or UDP, a fragment, IP
  // options, TCP flags other than ACK, PSH, ECE; no payload; wrong or unverifiable checksum).
  bool begin(const uint8_t* frame, uint32_t length, const Headers& headers);
  // Whether this frame continues what was begun, and if so takes it into account: same Ethernet and IP header apart
  // from length, ID and checksum; same ports; TCP: next sequence number, same ack, options and ECN bits, payload no
  // longer than the first (a shorter one, PSH or FIN ends it); right checksum. UDP: same, by payload size.
  bool add(const uint8_t* frame, uint32_t length, const Headers& headers);

  uint32_t count() const { return count_; }
  uint32_t header() const { return header_; }    // bytes to the end of the TCP or UDP header
  uint32_t payload() const { return payload_; }  // bytes of all frames together
  uint16_t segment() const { return segment_; }  // payload of the first
  // Rewrites the headers of the first frame, at `frame`, for the whole: lengths, flags, IP checksum, and the checksum
  // field as kPartialChecksum wants it. Only when count() > 1.
  void finish(uint8_t* frame) const;

 private:
  uint32_t count_ = 0;
  uint32_t header_ = 0;
  uint32_t payload_ = 0;
  uint16_t segment_ = 0;
};

// A train: `length` bytes at packet->data that are datagrams of `stride` bytes each, the last perhaps shorter, each a
// `prefix` (a VXLAN header) and a frame. Comes apart into `out` as few packets as possible, each with one prefix: runs
// that merge become super-frames (segment and kPartialChecksum set), the rest ordinary packets, all in order and with
// the Datagram (core/datagram.h) of the train. The first reuses the train's buffer. Returns how many; those for which
// no buffer was free or that exceed `max` are gone and counted in `lost`.
uint32_t split_train(Packet* train, uint32_t stride, uint32_t prefix, Packet** out, uint32_t max, Pools& pools,
                     uint32_t& coalesced, uint32_t& lost);

// True when the TCP or UDP checksum field of the frame is exactly the pseudo-header's sum: the sender left the checksum
// to hardware that never was there, as a kernel does across veth. A right checksum is taken for that once in 65,536
// packets, which does no harm: the checksum is computed again.
bool has_partial_checksum(const uint8_t* frame, const Headers& headers);

}  // namespace overlane
