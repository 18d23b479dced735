#include "offload/segment.h"
#include "test/check.h"
#include "test/offload_frames.h"

using namespace overlane;
using namespace overlane::test;

namespace {

constexpr uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPush = 0x08, kEce = 0x40, kCwr = 0x80;

bool can_plan(const Bytes& frame, uint16_t segment) {
  return !segments_of(frame, segment).empty();
}

// What has to come out, from the rules and not from the code.
std::vector<Bytes> expected_segments(const Flow& flow, const Bytes& payload, size_t segment, const Piece& first) {
  std::vector<Bytes> out;
  for (size_t at = 0, i = 0; at < payload.size(); at += segment, ++i) {
    const bool last = at + segment >= payload.size();
    Piece piece = first;
    piece.sequence += static_cast<uint32_t>(at);
    piece.id = static_cast<uint16_t>(first.id + i);
    if (i != 0) piece.flags &= static_cast<uint8_t>(~kCwr);
    if (!last) piece.flags &= static_cast<uint8_t>(~(kFin | kPush));
    out.push_back(frame_of(flow, slice(payload, at, std::min(segment, payload.size() - at)), piece));
  }
  return out;
}

void check_flow(const Flow& flow, size_t size, uint16_t segment) {
  const Piece first{.flags = kAckPush | kFin | kEce | kCwr};
  const Bytes payload = payload_bytes(size);
  const Bytes super = with_partial_checksum(flow, frame_of(flow, payload, first));
  CHECK(segments_of(super, segment) == expected_segments(flow, payload, segment, first));
}

}  // namespace

TEST("segment: TCP over IPv4, byte for byte") {
  // 20 bytes of payload in segments of 8; CWR, ECE, PSH and FIN set, ID and sequence number about to wrap.
  const Bytes super =
      hex("02420a000002 02420a000001 0800 4502 003c ffff 4000 40 06 0000 0a000001 0a000002"
          "c350 1451 fffffffc 01020304 50d9 01f5 1431 0000 000102030405060708090a0b0c0d0e0f10111213");
  const auto out = segments_of(super, 8);
  CHECK_EQ(out.size(), 3u);
  CHECK(out[0] == hex("02420a000002 02420a000001 0800 4502 0030 ffff 4000 40 06 26c4 0a000001 0a000002"
                      "c350 1451 fffffffc 01020304 50d0 01f5 b160 0000 0001020304050607"));
  CHECK(out[1] == hex("02420a000002 02420a000001 0800 4502 0030 0000 4000 40 06 26c4 0a000001 0a000002"
                      "c350 1451 00000004 01020304 5050 01f5 91b9 0000 08090a0b0c0d0e0f"));
  CHECK(out[2] == hex("02420a000002 02420a000001 0800 4502 002c 0001 4000 40 06 26c7 0a000001 0a000002"
                      "c350 1451 0000000c 01020304 5059 01f5 9bb8 0000 10111213"));
}

TEST("segment: every kind of header, with odd, even and short last segments") {
  for (const Flow& flow : all_flows()) {
    for (size_t size : {2800u, 2801u, 2799u, 1400u, 1401u, 1u, 9u}) {
      for (uint16_t segment : {1400, 1399, 701, 8, 9}) check_flow(flow, size, segment);
    }
  }
}

TEST("segment: 64 KiB, the most there is") {
  Flow flow;
  check_flow(flow, 65535 - 40, 1400);
  check_flow(flow, 65535 - 40, 8);
  check_flow(flow, 65535 - 40, 65495);
  flow = {.ipv6 = true, .tcp = false};
  check_flow(flow, 65535 - 8, 1232);
}

TEST("segment: IPv4 options and IPv6 extension headers are repeated") {
  Flow flow;
  flow.ip_options = hex("94040000");  // router alert
  check_flow(flow, 3000, 1400);
  flow = {.ipv6 = true};
  flow.extension = 0;  // hop-by-hop, destination options, routing without hops left
  flow.extensions = hex("3c 00 050200000100 2b 00 010400000000 06 00 04 00 00000000");
  check_flow(flow, 3000, 1400);
  flow.tcp = false;
  flow.extensions[16] = 17;
  check_flow(flow, 3000, 1400);
}

TEST("segment: the ID counts on without DF as with it") {
  Flow flow;
  flow.fragment = 0;
  check_flow(flow, 3000, 1400);
}

TEST("segment: a UDP checksum of 0 over IPv4 stays, over IPv6 it is computed") {
  const Bytes payload = payload_bytes(2500);
  Flow flow{.tcp = false};
  flow.udp_checksum = false;
  const Bytes super = frame_of(flow, payload);
  CHECK(segments_of(super, 1000) == expected_segments(flow, payload, 1000, {}));
  flow.ipv6 = true;
  const Bytes super6 = frame_of(flow, payload);
  flow.udp_checksum = true;
  CHECK(segments_of(super6, 1000) == expected_segments(flow, payload, 1000, {}));
}

TEST("segment: a UDP checksum that comes out as 0 is sent as 0xffff") {
  const Flow flow{.tcp = false};
  Bytes payload = payload_bytes(64);
  put16(payload, 32, 0);
  // What the checksum of the second segment is without these two bytes is what they have to be.
  const Bytes without = frame_of(flow, slice(payload, 32, 32));
  payload[32] = without[checksum_at(flow)];
  payload[33] = without[checksum_at(flow) + 1];
  const Bytes super = with_partial_checksum(flow, frame_of(flow, payload));
  const auto out = segments_of(super, 32);
  CHECK_EQ(load<uint16_t>(&out[1][checksum_at(flow)]), 0xffff);
}

TEST("segment: what is no super-frame is refused") {
  const Bytes payload = payload_bytes(3000);
  const Flow tcp;
  CHECK(can_plan(frame_of(tcp, payload), 1400));
  CHECK(can_plan(frame_of(tcp, payload), 3000));  // one segment
  CHECK(!can_plan(frame_of(tcp, payload), 0));
  CHECK(!can_plan(frame_of(tcp, payload), 7));
  CHECK(!can_plan(frame_of(tcp, {}), 1400));
  CHECK(!can_plan(frame_of(tcp, payload, {.flags = kAckOnly | kSyn}), 1400));
  CHECK(!can_plan(frame_of(tcp, payload, {.flags = kAckOnly | kRst}), 1400));
  Flow fragment;
  fragment.fragment = 0x2000;
  CHECK(!can_plan(frame_of(fragment, payload), 1400));
  Bytes icmp = frame_of(tcp, payload);
  icmp[23] = 1;
  CHECK(!can_plan(icmp, 1400));
  Bytes cut_short = frame_of(tcp, payload);
  cut_short.resize(2000);
  CHECK(!can_plan(cut_short, 1400));
  CHECK(!can_plan(arp_request(1, 2), 1400));
}

TEST("segment: extension headers that must not be repeated are refused") {
  const Bytes payload = payload_bytes(3000);
  Flow flow{.ipv6 = true};
  flow.extension = 43;
  flow.extensions = hex("06 00 04 01 00000000");  // one hop left
  CHECK(!can_plan(frame_of(flow, payload), 1400));
  flow.extension = 51;
  flow.extensions = hex("06 01 0000 00000001 00000001");  // AH of 12 bytes, then TCP
  CHECK(!can_plan(frame_of(flow, payload), 1400));
  flow.extension = 44;
  flow.extensions = hex("06 00 0001 00000001");
  CHECK(!can_plan(frame_of(flow, payload), 1400));
  flow.extension = 60;
  flow.extensions = join({hex("06 17 01bc"), Bytes(188, 0)});  // 192 bytes: the header has 266
  CHECK(!can_plan(frame_of(flow, payload), 1400));
  flow.extension = 0;
  flow.extensions = hex("06 00 c204 00010000");
  Bytes jumbogram = frame_of(flow, payload);
  CHECK(can_plan(jumbogram, 1400));
  put16(jumbogram, 18, 0);
  CHECK(!can_plan(jumbogram, 1400));
}

TEST("segment: a segment must fit an IP datagram") {
  const Flow flow;
  Bytes super = frame_of(flow, payload_bytes(65600));
  put16(super, 16, 0);  // over 64 KiB: the length is the frame's
  CHECK(can_plan(super, 65495));
  CHECK(!can_plan(super, 65496));
}

TEST("segment: cut gives ordinary packets with the metadata of the super-frame") {
  for (const Flow& flow : all_flows()) {
    Pools pools(64, 4);
    const Bytes payload = payload_bytes(4201);
    Packet* out[64];
    Packet* super = packet_of(pools, with_partial_checksum(flow, frame_of(flow, payload)), 1400, kPartialChecksum);
    const auto expected = expected_segments(flow, payload, 1400, {});
    CHECK_EQ(cut(super, out, 64, pools), 4u);
    for (size_t i = 0; i < 4; ++i) {
      CHECK(bytes_of(*out[i]) == expected[i]);
      CHECK(out[i]->is_ordinary() && out[i]->cut == 0 && out[i]->pool == &pools.small());
      CHECK(out[i]->headers == parsed(expected[i]));
      CHECK(out[i]->time == 77 && out[i]->source == 5 && out[i]->ingress == 6 && out[i]->domain == 7);
      release(out[i]);
    }
    CHECK(whole(pools));
  }
}

TEST("segment: cut makes at most as many as asked for, and leaves what it cannot cut") {
  const Flow flow;
  Pools pools(64, 4);
  Packet* out[64];
  const Bytes frame = frame_of(flow, payload_bytes(4200));
  CHECK_EQ(cut(packet_of(pools, frame, 1400), out, 2, pools), 2u);
  release(out[0]);
  release(out[1]);
  CHECK(whole(pools));
  Packet* ordinary = packet_of(pools, frame, 0);
  CHECK_EQ(cut(ordinary, out, 64, pools), 0u);
  ordinary->segment = 1400;
  ordinary->cut = 1;  // the capture lacks its end
  CHECK_EQ(cut(ordinary, out, 64, pools), 0u);
  ordinary->cut = 0;
  CHECK_EQ(cut(ordinary, out, 0, pools), 0u);
  CHECK(bytes_of(*ordinary) == frame);
  release(ordinary);
  CHECK(whole(pools));
}

TEST("segment: when the pool runs dry, the super-frame's buffer holds the last one") {
  for (uint32_t small : {0u, 1u, 2u}) {
    const Flow flow;
    Pools pools(small, 1);
    const Bytes payload = payload_bytes(4000);
    const auto expected = expected_segments(flow, payload, 1400, {});
    Packet* out[64];
    CHECK_EQ(cut(packet_of(pools, frame_of(flow, payload), 1400), out, 64, pools), small + 1);
    for (uint32_t i = 0; i <= small; ++i) {
      CHECK(bytes_of(*out[i]) == expected[i]);
      CHECK(out[i]->headers == parsed(expected[i]) && out[i]->is_ordinary());
      release(out[i]);
    }
    CHECK(whole(pools));
  }
}

TEST("segment: a partial checksum is completed") {
  Pools pools(4, 4);
  for (const Flow& flow : all_flows()) {
    for (size_t size : {0u, 1u, 100u, 1401u, 65000u}) {
      const Bytes right = frame_of(flow, payload_bytes(size));
      Packet* packet = packet_of(pools, with_partial_checksum(flow, right), 0, kPartialChecksum);
      CHECK(complete_checksum(*packet));
      CHECK(bytes_of(*packet) == right);
      CHECK_EQ(packet->flags, 0);
      CHECK(complete_checksum(*packet));  // there is nothing left to do
      CHECK(bytes_of(*packet) == right);
      release(packet);
    }
  }
}

TEST("segment: Ethernet padding is no part of a checksum") {
  Pools pools(4, 4);
  const Flow flow{.tcp = false};
  Bytes right = frame_of(flow, payload_bytes(5));
  Bytes partial = with_partial_checksum(flow, right);
  right.resize(60, 0xee);
  partial.resize(60, 0xee);
  Packet* packet = packet_of(pools, partial, 0, kPartialChecksum);
  CHECK(complete_checksum(*packet));
  CHECK(bytes_of(*packet) == right);
  release(packet);
}

TEST("segment: a UDP datagram that ends before its IP datagram has its checksum to its own end") {
  Pools pools(4, 4);
  const Flow flow{.tcp = false};
  const Bytes right = frame_of(flow, payload_bytes(101));
  const Bytes rest = hex("0102030405");
  Bytes longer = with_partial_checksum(flow, right);
  longer.insert(longer.end(), rest.begin(), rest.end());
  put16(longer, 16, longer.size() - 14);
  longer = with_ip_checksum(flow, longer);
  CHECK(has_partial_checksum(longer.data(), parsed(longer)));
  Packet* packet = packet_of(pools, longer, 0, kPartialChecksum);
  CHECK(complete_checksum(*packet));
  CHECK_EQ(load<uint16_t>(packet->data + checksum_at(flow)), load<uint16_t>(&right[checksum_at(flow)]));
  release(packet);
}

TEST("segment: where there is no checksum to complete, it says so") {
  Pools pools(4, 4);
  Flow fragment{.tcp = false};
  fragment.fragment = 0x2000;
  Bytes truncated = frame_of({}, payload_bytes(100));
  truncated.resize(100);
  for (const Bytes& frame : {arp_request(1, 2), frame_of(fragment, payload_bytes(100)), truncated}) {
    Packet* packet = packet_of(pools, frame, 0, kPartialChecksum);
    CHECK(!complete_checksum(*packet));
    CHECK(bytes_of(*packet) == frame);
    CHECK_EQ(packet->flags, kPartialChecksum);
    release(packet);
  }
  Packet* super = packet_of(pools, frame_of({}, payload_bytes(3000)), 1400, kPartialChecksum);
  CHECK(!complete_checksum(*super));
  release(super);
}
