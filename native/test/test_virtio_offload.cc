// What a virtio-net header says of a frame, and what it must not be believed.
#include "core/pool.h"
#include "port/virtio_offload.h"
#include "stage/parse.h"
#include "test/check.h"
#include "test/frames.h"

namespace overlane {
namespace {

using test::Bytes;
using test::hex;

// 10.0.0.2 -> 10.0.0.3, ACK, 8 bytes of payload; the checksum field is the pseudo-header's sum, 0x1427.
const char kTcp[] =
    "02420a000003 02420a000002 0800"
    "4500 0030 0001 4000 4006 26c4 0a000002 0a000003"
    "1389 c001 00000001 00000002 5010 0040 1427 0000 0102030405060708";
const uint32_t kL4 = 34;

struct Case {
  Pools pools{1, 1};
  Packet* packet;
  explicit Case(const Bytes& frame) : packet(pools.take(static_cast<uint32_t>(frame.size()))) {
    std::copy(frame.begin(), frame.end(), packet->data);
    packet->length = static_cast<uint32_t>(frame.size());
    packet->headers = parse_frame(packet->data, packet->length);
  }
  Bytes bytes() const { return {packet->data, packet->data + packet->length}; }
};

TEST("virtio header: an ordinary frame is left alone") {
  Case c(hex(kTcp));
  CHECK(accept_offload({}, 0, *c.packet));
  CHECK(c.packet->is_ordinary());
  VirtioHeader header{1, 1, 1, 1, 1, 1};
  CHECK(describe_offload(*c.packet, header));
  CHECK_EQ(load<uint64_t>(&header), 0u);
}

TEST("virtio header: an unfinished TCP checksum, with and without a tag put in") {
  const VirtioHeader header{virtio::kNeedsChecksum, 0, 0, 0, kL4, 16};
  Case plain(hex(kTcp));
  CHECK(accept_offload(header, 0, *plain.packet));
  CHECK_EQ(plain.packet->flags, kPartialChecksum);
  CHECK_EQ(plain.packet->segment, 0);
  CHECK(plain.bytes() == hex(kTcp));
  Case tagged(test::with_tag(hex(kTcp), 100));
  CHECK(accept_offload(header, 4, *tagged.packet));
  CHECK_EQ(tagged.packet->flags, kPartialChecksum);
  VirtioHeader again;
  CHECK(describe_offload(*tagged.packet, again));
  CHECK_EQ(again.checksum_start, kL4 + 4);
  CHECK_EQ(again.checksum_offset, 16);
  CHECK_EQ(again.gso_type, virtio::kGsoNone);
}

TEST("virtio header: super-frames there and back, with ECN") {
  Case c(hex(kTcp));
  const VirtioHeader header{virtio::kNeedsChecksum, virtio::kGsoTcp4 | virtio::kGsoEcn, 54, 4, kL4, 16};
  c.packet->data[47] |= 0x80;  // CWR
  CHECK(accept_offload(header, 0, *c.packet));
  CHECK_EQ(c.packet->segment, 4);
  CHECK_EQ(c.packet->flags, kPartialChecksum);
  VirtioHeader again;
  CHECK(describe_offload(*c.packet, again));
  CHECK(std::memcmp(&again, &header, sizeof header) == 0);
}

TEST("virtio header: a NIC's merged packets get the pseudo-header's sum") {
  Case c(hex(kTcp));
  store_be16(c.packet->data + 50, 0xdead);
  CHECK(accept_offload({0, virtio::kGsoTcp4, 54, 4, 0, 0}, 0, *c.packet));
  CHECK_EQ(c.packet->flags, kPartialChecksum);
  CHECK(c.bytes() == hex(kTcp));
}

TEST("virtio header: what is open inside VXLAN is noted as that; in another tunnel it is finished, or refused") {
  // UDP without a checksum, 8 bytes, then the TCP segment from above as if it were the inside of a tunnel.
  const Bytes outer =
      hex("02420a000003 02420a000002 0800 4500 0054 0001 4000 4011 2695 0a000002 0a000003 c000 12b5 0040 0000"
          "0800000000000100");
  const Bytes inner = hex(kTcp);
  const Bytes frame = test::join({outer, inner});
  const auto start = static_cast<uint16_t>(outer.size() + kL4);
  Case c(frame);
  CHECK(accept_offload({virtio::kNeedsChecksum, 0, 0, 0, start, 16}, 0, *c.packet));
  CHECK_EQ(c.packet->flags, kPartialChecksum | kInnerOffload);
  CHECK(c.bytes() == frame);
  Case super(frame);
  CHECK(accept_offload({virtio::kNeedsChecksum, virtio::kGsoTcp4, 54, 4, start, 16}, 0, *super.packet));
  CHECK_EQ(super.packet->flags, kPartialChecksum | kInnerOffload);
  CHECK_EQ(super.packet->segment, 4);
  CHECK(super.bytes() == frame);

  // Two bytes further: no VXLAN, but a checksum to finish all the same.
  const Bytes odd = test::join({outer, {0, 0}, inner});
  const auto later = static_cast<uint16_t>(start + 2);
  Case other(odd);
  CHECK(accept_offload({virtio::kNeedsChecksum, 0, 0, 0, later, 16}, 0, *other.packet));
  CHECK(other.packet->is_ordinary());
  // By hand: ones' complement of the sum from the TCP header on, the pseudo-header's sum in its field.
  CHECK_EQ(load_be16(other.packet->data + later + 16), test::ones_complement(odd, later, odd.size()));
  Case refused(odd);
  CHECK(!accept_offload({virtio::kNeedsChecksum, virtio::kGsoTcp4, 54, 4, later, 16}, 0, *refused.packet));
  CHECK(refused.bytes() == odd);
}

TEST("virtio header: what lies is refused") {
  const Bytes frame = hex(kTcp);
  const VirtioHeader lies[] = {
      {virtio::kNeedsChecksum, 0, 0, 0, 61, 0},                    // the field is cut
      {virtio::kNeedsChecksum, 0, 0, 0, 0xffff, 0xffff},           // far away
      {virtio::kNeedsChecksum, virtio::kGsoTcp4, 54, 0, kL4, 16},  // segments of nothing
      {virtio::kNeedsChecksum, virtio::kGsoTcp6, 54, 4, kL4, 16},  // the other IP
      {virtio::kNeedsChecksum, virtio::kGsoUdp, 54, 4, kL4, 16},   // not UDP
      {virtio::kNeedsChecksum, 3, 54, 4, kL4, 16},                 // UFO
      {virtio::kNeedsChecksum, virtio::kGsoTcp4, 54, 4, kL4, 6},   // another field
  };
  for (const VirtioHeader& lie : lies) {
    Case c(frame);
    CHECK(!accept_offload(lie, 0, *c.packet));
    CHECK(c.bytes() == frame);
  }
  for (size_t length = 0; length < frame.size(); ++length) {
    Case c(Bytes(frame.begin(), frame.begin() + static_cast<long>(length)));
    const bool fine = accept_offload({virtio::kNeedsChecksum, virtio::kGsoTcp4, 54, 4, kL4, 16}, 0, *c.packet);
    CHECK_EQ(fine, length >= 54);
  }
}

TEST("virtio header: IPv6 with extension headers") {
  // fd00::2 -> fd00::3, destination options, TCP
  Bytes frame =
      hex("02420a000003 02420a000002 86dd 60000000 0020 3c40"
          "fd000000000000000000000000000002 fd000000000000000000000000000003 0600 0104 00000000"
          "1389 c001 00000001 00000002 5010 0040 0000 0000 01020304");
  Case c(frame);
  CHECK(accept_offload({virtio::kNeedsChecksum, virtio::kGsoTcp6, 82, 2, 62, 16}, 0, *c.packet));
  CHECK_EQ(c.packet->segment, 2);
  frame[20] = 44;  // a fragment header instead
  Case fragment(frame);
  CHECK(!accept_offload({virtio::kNeedsChecksum, virtio::kGsoTcp6, 82, 2, 62, 16}, 0, *fragment.packet));
}

}  // namespace
}  // namespace overlane
