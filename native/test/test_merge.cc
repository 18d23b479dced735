#include "offload/merge.h"
#include "test/check.h"
#include "test/offload_frames.h"

using namespace overlane;
using namespace overlane::test;

namespace {

constexpr uint8_t kFin = 0x01, kEce = 0x40;

// Puts frames together as a port does: the header of the first, then all payloads.
Bytes merged(const std::vector<Bytes>& frames, uint16_t& segment) {
  Merger merger;
  CHECK(begin(merger, frames[0]));
  Bytes super = frames[0];
  for (size_t i = 1; i < frames.size(); ++i) {
    CHECK(add(merger, frames[i]));
    super.insert(super.end(), frames[i].begin() + merger.header(), frames[i].end());
  }
  CHECK_EQ(merger.count(), frames.size());
  CHECK_EQ(merger.payload() + merger.header(), super.size());
  segment = merger.segment();
  merger.finish(super.data());
  return super;
}

}  // namespace

TEST("merge: a super-frame, byte for byte") {
  const std::vector<Bytes> frames = {
      hex("02420a000002 02420a000001 0800 4502 0030 ffff 4000 40 06 26c4 0a000001 0a000002"
          "c350 1451 fffffffc 01020304 5050 01f5 b1e0 0000 0001020304050607"),
      hex("02420a000002 02420a000001 0800 4502 0030 0000 4000 40 06 26c4 0a000001 0a000002"
          "c350 1451 00000004 01020304 5050 01f5 91b9 0000 08090a0b0c0d0e0f"),
      hex("02420a000002 02420a000001 0800 4502 002c 0001 4000 40 06 26c7 0a000001 0a000002"
          "c350 1451 0000000c 01020304 5059 01f5 9bb8 0000 10111213")};
  uint16_t segment = 0;
  CHECK(merged(frames, segment) ==
        hex("02420a000002 02420a000001 0800 4502 003c ffff 4000 40 06 26b8 0a000001 0a000002"
            "c350 1451 fffffffc 01020304 5059 01f5 1431 0000 000102030405060708090a0b0c0d0e0f10111213"));
  CHECK_EQ(segment, 8);
}

TEST("merge: put together and cut again, every kind of frame is what it was") {
  for (const Flow& flow : all_flows()) {
    for (size_t size : {2800u, 2801u, 4199u, 1401u, 64000u}) {
      const auto frames = stream(flow, payload_bytes(size), 1400);
      uint16_t segment = 0;
      const Bytes super = merged(frames, segment);
      CHECK(super == with_partial_checksum(flow, super));
      CHECK(has_partial_checksum(super.data(), parsed(super)));
      CHECK_EQ(segment, 1400);
      CHECK(segments_of(super, segment) == frames);
    }
    for (size_t odd : {8u, 9u, 333u}) {
      const auto frames = stream(flow, payload_bytes(5 * odd - 1), odd);
      uint16_t segment = 0;
      const Bytes super = merged(frames, segment);
      CHECK(segments_of(super, segment) == frames);
    }
  }
}

TEST("merge: a partial checksum counts as right, and is told from a right one") {
  for (const Flow& flow : all_flows()) {
    auto frames = stream(flow, payload_bytes(4200), 1400);
    const auto expected = frames;
    for (Bytes& frame : frames) {
      CHECK(!has_partial_checksum(frame.data(), parsed(frame)));
      frame = with_partial_checksum(flow, frame);
      CHECK(has_partial_checksum(frame.data(), parsed(frame)));
    }
    frames[1] = expected[1];  // mixed
    uint16_t segment = 0;
    const Bytes super = merged(frames, segment);
    CHECK(segments_of(super, segment) == expected);
  }
  // A whole inner super-frame as one datagram.
  const Flow flow;
  const Bytes super = with_partial_checksum(flow, frame_of(flow, payload_bytes(65000)));
  CHECK(has_partial_checksum(super.data(), parsed(super)));
  const Bytes arp = arp_request(1, 2);
  CHECK(!has_partial_checksum(arp.data(), parsed(arp)));
}

TEST("merge: ECE on all is kept, PSH and FIN of the last too") {
  const Flow flow;
  auto frames = stream(flow, payload_bytes(2000), 1000, {.flags = kAckOnly | kEce});
  frames[1] = frame_of(flow, slice(payload_bytes(2000), 1000, 1000),
                       {.sequence = 0xfffffe00 + 1000, .flags = kAckPush | kEce | kFin, .id = 0xffff});
  uint16_t segment = 0;
  const Bytes super = merged(frames, segment);
  CHECK_EQ(super[l4_of(flow) + 13], kAckPush | kEce | kFin);
  CHECK(segments_of(super, segment) == frames);
}

TEST("merge: stops at 64 KiB, and at 64 datagrams") {
  const Bytes payload = payload_bytes(65495 + 1400);
  const auto frames = stream({}, payload, 1400);
  Merger merger;
  CHECK(begin(merger, frames[0]));
  size_t taken = 1;
  while (taken < frames.size() && add(merger, frames[taken])) ++taken;
  CHECK_EQ(taken, 46u);  // 46 × 1400 + 40 bytes; one more would be 65,840
  const auto exact = stream({}, payload_bytes(65495), 1007);
  uint16_t segment = 0;
  CHECK_EQ(merged(exact, segment).size(), 14u + 65535);
  const Flow udp{.tcp = false};
  const auto datagrams = stream(udp, payload_bytes(70 * 100), 100);
  CHECK(begin(merger, datagrams[0]));
  for (taken = 1; add(merger, datagrams[taken]); ++taken) continue;
  CHECK_EQ(taken, 64u);
}
