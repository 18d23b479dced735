#include "test/check.h"
#include "test/offload_frames.h"

using namespace overlane;
using namespace overlane::test;

namespace {

constexpr uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kUrg = 0x20, kEce = 0x40, kCwr = 0x80;

bool begins(const Bytes& frame) {
  Merger merger;
  return begin(merger, frame);
}

// Two frames that merge, of which a test spoils the second.
struct Pair {
  explicit Pair(const Flow& f = {}) : flow(f) {
    const auto frames = stream(flow, payload_bytes(2800), 1400);
    first = frames[0];
    second = frames[1];
  }
  bool merges() const {
    Merger merger;
    CHECK(begin(merger, first));
    return add(merger, second);
  }
  // Writes bytes into the second, and makes its checksums right again.
  bool merges_with(size_t at, const Bytes& bytes) {
    CHECK(merges());
    std::copy(bytes.begin(), bytes.end(), second.begin() + static_cast<long>(at));
    second = with_right_checksum(flow, with_ip_checksum(flow, second));
    return merges();
  }
  size_t l3() const { return l3_of(flow); }
  size_t l4() const { return l4_of(flow); }
  Flow flow;
  Bytes first, second;
};

}  // namespace

TEST("merge: what can never be the beginning") {
  const Bytes payload = payload_bytes(1400);
  CHECK(begins(frame_of({}, payload)));
  CHECK(begins(frame_of({}, payload_bytes(8))));
  CHECK(!begins(frame_of({}, payload_bytes(7))));
  CHECK(!begins(frame_of({}, {})));  // a pure ACK
  for (uint8_t flag : {kFin, kSyn, kRst, kUrg, kCwr}) {
    CHECK(!begins(frame_of({}, payload, {.flags = static_cast<uint8_t>(kAckOnly | flag)})));
  }
  CHECK(!begins(frame_of({}, payload, {.flags = 0})));
  Flow flow;
  flow.fragment = 0x2000;
  CHECK(!begins(frame_of(flow, payload)));
  flow = {};
  flow.ip_options = hex("94040000");
  CHECK(!begins(frame_of(flow, payload)));
  flow.ip_options = hex("00000000");  // which the checksum does not notice
  CHECK(!begins(frame_of(flow, payload)));
  flow = {.ipv6 = true};
  flow.extension = 60;
  flow.extensions = hex("06 00 010400000000");
  CHECK(!begins(frame_of(flow, payload)));
  flow = {.tcp = false};
  flow.udp_checksum = false;  // nothing to verify
  CHECK(!begins(frame_of(flow, payload)));
  CHECK(!begins(arp_request(1, 2)));
  Bytes padded = frame_of({}, payload_bytes(10));
  padded.push_back(0);
  CHECK(!begins(padded));
  Merger none;
  CHECK(!add(none, frame_of({}, payload)));
}

TEST("merge: a UDP checksum of 0 is none, even where it would be right") {
  const Flow flow{.tcp = false};
  Bytes payload = payload_bytes(32);
  put16(payload, 0, 0);
  const Bytes without = frame_of(flow, payload);
  payload[0] = without[checksum_at(flow)];
  payload[1] = without[checksum_at(flow) + 1];
  Bytes frame = frame_of(flow, payload);
  CHECK_EQ(load<uint16_t>(&frame[checksum_at(flow)]), 0xffff);
  CHECK(begins(frame));
  put16(frame, checksum_at(flow), 0);
  CHECK(!begins(frame));
}

TEST("merge: lengths that do not agree are no beginning") {
  for (bool ipv6 : {false, true}) {
    Flow flow{.ipv6 = ipv6, .tcp = false};
    Bytes frame = frame_of(flow, payload_bytes(100));
    put16(frame, l4_of(flow) + 4, 107);  // of 108
    CHECK(!begins(with_right_checksum(flow, frame)));
    put16(frame, l4_of(flow) + 4, 0);
    CHECK(!begins(with_right_checksum(flow, frame)));
    flow.tcp = true;
    frame = frame_of(flow, payload_bytes(100));
    put16(frame, ipv6 ? 18 : 16, 0);  // as in a super-frame over 64 KiB
    CHECK(!begins(with_ip_checksum(flow, frame)));
  }
}

TEST("merge: a wrong checksum is refused, at the beginning and after") {
  for (const Flow& flow : all_flows()) {
    for (size_t at : {l4_of(flow), checksum_at(flow), header_of(flow), header_of(flow) + 1399}) {
      Pair pair(flow);
      CHECK(pair.merges());
      pair.second[at] ^= 1;
      CHECK(!pair.merges());
      pair.first[at] ^= 1;
      CHECK(!begins(pair.first));
    }
  }
}

TEST("merge: a wrong IPv4 header checksum is refused, which would be made right") {
  Pair pair;
  CHECK(pair.merges());
  pair.second[24] ^= 1;
  CHECK(!pair.merges());
  pair.first[24] ^= 1;
  CHECK(!begins(pair.first));
}

TEST("merge: another window is refused, and every other flag") {
  CHECK(!Pair().merges_with(34 + 14, hex("01f6")));
  for (uint8_t flag : {kSyn, kRst, kUrg, kEce, kCwr}) {
    CHECK(!Pair().merges_with(34 + 13, {static_cast<uint8_t>(kAckOnly | flag)}));
  }
  CHECK(!Pair().merges_with(34 + 13, {0}));
  CHECK(!Pair().merges_with(34 + 12, {0x51}));  // a reserved bit
  CHECK(!Pair().merges_with(34 + 18, hex("0001")));
}

TEST("merge: another ack is refused") {
  CHECK(!Pair().merges_with(34 + 8, hex("01020305")));
}

TEST("merge: other options are refused") {
  const Flow flow{.tcp_options = hex("0101 080a 00000102 00000304")};
  for (size_t at : {0u, 4u, 11u}) CHECK(!Pair(flow).merges_with(34 + 20 + at, {0x99}));
  // As many bytes, some of which were payload.
  const Bytes payload = payload_bytes(2800);
  Merger merger;
  const Bytes first = frame_of(flow, slice(payload, 0, 1400));
  CHECK(begin(merger, first));
  CHECK(!add(merger, frame_of({}, slice(payload, 1400, 1400), {.sequence = 0xfffffe00 + 1400})));
}

TEST("merge: another TTL, TOS, ECN or DF is refused, another ID is not") {
  CHECK(!Pair().merges_with(14 + 8, {63}));
  CHECK(!Pair().merges_with(14 + 1, {0x06}));
  CHECK(!Pair().merges_with(14 + 1, {0x03}));  // congestion
  CHECK(!Pair().merges_with(14 + 6, hex("0000")));
  CHECK(Pair().merges_with(14 + 4, hex("4321")));
  const Flow flow{.ipv6 = true};
  CHECK(!Pair(flow).merges_with(14 + 7, {63}));
  CHECK(!Pair(flow).merges_with(14 + 0, hex("6a31")));  // congestion
  CHECK(!Pair(flow).merges_with(14 + 0, hex("6b01")));
  CHECK(!Pair(flow).merges_with(14 + 2, hex("2346")));  // flow label
}

TEST("merge: another flow is refused") {
  for (bool tcp : {true, false}) {
    for (bool ipv6 : {false, true}) {
      for (unsigned tags : {0u, 1u, 2u}) {
        const Flow flow{.ipv6 = ipv6, .tcp = tcp, .tags = tags};
        std::vector<size_t> places = {0, 5, 6, 11, l4_of(flow), l4_of(flow) + 1, l4_of(flow) + 3};
        for (size_t at = l3_of(flow) + (ipv6 ? 8 : 12); at < l4_of(flow); ++at) places.push_back(at);
        for (unsigned tag = 0; tag < tags; ++tag) places.push_back(14 + 4 * tag + 1);
        for (size_t at : places) {
          Pair pair(flow);
          CHECK(!pair.merges_with(at, {static_cast<uint8_t>(pair.second[at] ^ 1)}));
        }
      }
    }
  }
  const Flow untagged, tagged{.tags = 1};
  Pair pair;
  pair.second = Pair(tagged).second;
  CHECK(!pair.merges());
  pair.second = Pair({.tcp = false}).second;
  CHECK(!pair.merges());
  pair.second = Pair({.ipv6 = true}).second;
  CHECK(!pair.merges());
}

TEST("merge: a gap and an overlap are refused") {
  CHECK(!Pair().merges_with(34 + 4, hex("00000379")));  // 0xfffffe00 + 1400 is 0x378
  CHECK(!Pair().merges_with(34 + 4, hex("00000377")));
  CHECK(!Pair().merges_with(34 + 4, hex("fffffe00")));
}

TEST("merge: a fragment is refused") {
  CHECK(!Pair().merges_with(14 + 6, hex("2000")));
  CHECK(!Pair().merges_with(14 + 6, hex("6000")));
  CHECK(!Pair().merges_with(14 + 6, hex("0001")));
}

TEST("merge: a longer segment is refused, nothing follows a shorter one") {
  for (const Flow& flow : {Flow{}, Flow{.tcp = false}}) {
    const Bytes payload = payload_bytes(3000);
    Merger merger;
    const Bytes first = frame_of(flow, slice(payload, 0, 1000));
    CHECK(begin(merger, first));
    CHECK(!add(merger, frame_of(flow, slice(payload, 1000, 1001), {.sequence = 0xfffffe00 + 1000})));
    CHECK(add(merger, frame_of(flow, slice(payload, 1000, 999), {.sequence = 0xfffffe00 + 1000})));
    CHECK(!add(merger, frame_of(flow, slice(payload, 1999, 1000), {.sequence = 0xfffffe00 + 1999})));
    CHECK_EQ(merger.count(), 2u);
  }
}

TEST("merge: nothing follows PSH or FIN") {
  const Bytes payload = payload_bytes(3000);
  Merger merger;
  const Bytes pushed = frame_of({}, slice(payload, 0, 1000), {.flags = kAckPush});
  CHECK(begin(merger, pushed));
  CHECK(!add(merger, frame_of({}, slice(payload, 1000, 1000), {.sequence = 0xfffffe00 + 1000})));
  const Bytes first = frame_of({}, slice(payload, 0, 1000));
  for (uint8_t flags : {kAckPush, uint8_t{kAckOnly | kFin}}) {
    CHECK(begin(merger, first));
    CHECK(add(merger, frame_of({}, slice(payload, 1000, 1000), {.sequence = 0xfffffe00 + 1000, .flags = flags})));
    CHECK(!add(merger, frame_of({}, slice(payload, 2000, 1000), {.sequence = 0xfffffe00 + 2000})));
  }
}

TEST("merge: pure ACKs and empty datagrams are refused") {
  Merger merger;
  const Bytes segment = frame_of({}, payload_bytes(100));
  CHECK(begin(merger, segment));
  CHECK(!add(merger, frame_of({}, {}, {.sequence = 0xfffffe00 + 100})));
  const Flow udp{.tcp = false};
  const Bytes first = frame_of(udp, payload_bytes(100));
  CHECK(begin(merger, first));
  CHECK(!add(merger, frame_of(udp, {})));
}
