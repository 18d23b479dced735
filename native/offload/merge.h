// Putting packets of one flow together into a super-frame (GRO): TCP over IPv4 and IPv6 in sequence, UDP datagrams of
// equal size. What does not fit exactly is left alone, in order.
#pragma once

#include "core/headers.h"
#include "core/packet.h"
#include "core/pool.h"

namespace overlane {

// One super-frame in the making. Reads frames, changes none until finish(). The first must stay as it is, where it is,
// as long as others are added.
class Merger {
 public:
  // UDP datagrams of one super-frame, as Linux's GRO has it.
  static constexpr uint32_t kMaxDatagrams = 64;

  // Begins with this frame. False: it can never be the beginning of a super-frame (not TCP or UDP, a fragment, IP
  // options or IPv6 extension headers, TCP flags other than ACK, PSH, ECE; less than kMinSegment bytes of payload;
  // bytes after the IP datagram, lengths that do not agree; wrong or unverifiable checksum).
  bool begin(const uint8_t* frame, uint32_t length, const Headers& headers);
  // Whether this frame continues what was begun, and if so takes it into account: same Ethernet and IP header apart
  // from length, ID and checksum; same ports; TCP: next sequence number, same ack, window, options and ECN bits,
  // payload no longer than the first (a shorter one, PSH or FIN ends it); right checksum. UDP: same, by payload size.
  // A partial checksum (has_partial_checksum) is a right one. The IP datagram stays below 64 KiB.
  bool add(const uint8_t* frame, uint32_t length, const Headers& headers);
  // The same, and moves the payload to `to`, before the frame, in the pass that sums it. Refused, the frame is as it
  // was, but not the bytes between `to` and the frame.
  bool add_moving(uint8_t* frame, uint32_t length, const Headers& headers, uint8_t* to);

  uint32_t count() const { return count_; }
  uint32_t header() const { return header_; }    // bytes to the end of the TCP or UDP header
  uint32_t payload() const { return payload_; }  // bytes of all frames together
  uint16_t segment() const { return segment_; }  // payload of the first
  // Rewrites the headers of the first frame, at `frame` (there or a copy), for the whole: lengths, flags, IP checksum,
  // and the checksum field as kPartialChecksum wants it. Only when count() > 1.
  void finish(uint8_t* frame) const;

 private:
  bool continues(const uint8_t* frame, uint32_t length, const Headers& headers) const;
  bool continues_tcp(const uint8_t* l4) const;
  void take(uint32_t payload, uint8_t tcp_flags);

  const uint8_t* first_ = nullptr;
  uint64_t pseudo_ = 0;  // sum of the pseudo-header without its length
  Headers headers_;      // of the first
  uint32_t count_ = 0;
  uint32_t header_ = 0;
  uint32_t payload_ = 0;
  uint16_t segment_ = 0;
  uint8_t tcp_flags_ = 0;  // of all
  bool ended_ = false;     // nothing can follow the last one
};

// A train: `length` bytes at packet->data that are datagrams of `stride` bytes each, the last perhaps shorter, each a
// `prefix` (a VXLAN header) and a frame. Comes apart into `out` as few packets as possible, each with one prefix: runs
// that merge become super-frames (segment and kPartialChecksum set), the rest ordinary packets, all in order and with
// the metadata and Datagram (core/datagram.h) of the train, which must have one. Headers are not set. The first reuses
// the train's buffer. Returns how many; those for which no buffer was free or that exceed `max` are gone and added to
// `lost`, and those that became part of the one before them to `coalesced`: the three together are the datagrams.
uint32_t split_train(Packet* train, uint32_t stride, uint32_t prefix, Packet** out, uint32_t max, Pools& pools,
                     uint32_t& coalesced, uint32_t& lost);

// True when the TCP or UDP checksum field of the frame is exactly the pseudo-header's sum: the sender left the checksum
// to hardware that never was there, as a kernel does across veth. A right checksum is taken for that once in 65,536
// packets, which does no harm: the checksum is computed again.
bool has_partial_checksum(const uint8_t* frame, const Headers& headers);

}  // namespace overlane
