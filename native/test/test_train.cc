#include "core/datagram.h"
#include "offload/copy.h"
#include "test/check.h"
#include "test/offload_frames.h"
#include "wire/checksum.h"

using namespace overlane;
using namespace overlane::test;

namespace {

const Bytes kVxlan = hex("08000000 00100100");

// What comes out of a train, and checks what holds for every one.
struct Split {
  Split(const std::vector<Bytes>& frames, uint32_t max = 64, uint32_t small = 64, uint32_t large = 4,
        std::vector<Bytes> prefixes = {})
      : pools(small, large + 1) {
    Bytes bytes;
    prefixes.resize(frames.size(), kVxlan);
    for (size_t i = 0; i < frames.size(); ++i) bytes = join({bytes, prefixes[i], frames[i]});
    Packet* train = packet_of(pools, bytes);
    if (train->pool != &pools.large()) {  // as a port does, which cannot know how much will come
      release(train);
      train = pools.take(Pools::kLargeRoom);
      std::memcpy(train->data, bytes.data(), bytes.size());
      train->length = static_cast<uint32_t>(bytes.size());
      train->time = 77;
      train->set_origin(5, 6, 7);
    }
    const Datagram datagram = {IpAddress::v4(bytes.data()), 1234, 2, {}};
    set_datagram(*train, datagram);
    Packet* out[64];
    const auto stride = static_cast<uint32_t>(kVxlan.size() + frames[0].size());
    made = split_train(train, stride, static_cast<uint32_t>(kVxlan.size()), out, max, pools, coalesced, lost);
    CHECK_EQ(made + coalesced + lost, frames.size());
    for (uint32_t i = 0; i < made; ++i) {
      CHECK(i > 0 || out[i] == train);
      CHECK(out[i]->time == 77 && out[i]->source == 5 && out[i]->ingress == 6 && out[i]->domain == 7);
      const Datagram kept = datagram_of(*out[i]);
      CHECK(kept.peer == datagram.peer && kept.flow == 1234 && kept.tos == 2);
      CHECK_EQ(out[i]->cut, 0u);
      CHECK_EQ(out[i]->segment != 0, out[i]->flags == kPartialChecksum);
      Bytes packet = bytes_of(*out[i]);
      kept_prefixes.push_back(slice(packet, 0, 8));
      packets.push_back(slice(packet, 8, packet.size() - 8));
      segments.push_back(out[i]->segment);
      release(out[i]);
    }
    CHECK(whole(pools));
  }
  // Super-frames cut again.
  std::vector<Bytes> frames() const {
    std::vector<Bytes> out;
    for (size_t i = 0; i < packets.size(); ++i) {
      if (segments[i] == 0) {
        out.push_back(packets[i]);
        continue;
      }
      for (const Bytes& piece : segments_of(packets[i], segments[i])) out.push_back(piece);
    }
    return out;
  }
  Pools pools;
  uint32_t made, coalesced = 0, lost = 0;
  std::vector<Bytes> packets, kept_prefixes;  // one of each a packet
  std::vector<uint16_t> segments;
};

std::vector<Bytes> numbered(const Flow& flow, size_t count, size_t segment, size_t last, uint32_t sequence = 5000) {
  std::vector<Bytes> out;
  for (size_t i = 0; i < count; ++i) {
    const Piece piece{.sequence = static_cast<uint32_t>(sequence + i * segment), .id = static_cast<uint16_t>(9 + i)};
    out.push_back(frame_of(flow, payload_bytes(i + 1 == count ? last : segment, static_cast<uint8_t>(i)), piece));
  }
  return out;
}

}  // namespace

TEST("train: one flow becomes one super-frame, and cut again is what it was") {
  for (const Flow& flow : all_flows()) {
    for (size_t last : {1400u, 1399u, 1u}) {
      const auto frames = numbered(flow, 42, 1400, last);
      Split split(frames);
      CHECK_EQ(split.made, 1u);
      CHECK_EQ(split.coalesced, 41u);
      CHECK_EQ(split.segments[0], 1400);
      CHECK(split.kept_prefixes[0] == kVxlan);
      CHECK(split.frames() == frames);
    }
    const auto odd = numbered(flow, 30, 333, 17);
    CHECK(Split(odd).frames() == odd);
  }
}

TEST("train: partial checksums, as a kernel leaves them across veth") {
  for (const Flow& flow : all_flows()) {
    const auto frames = numbered(flow, 20, 1400, 700);
    auto partial = frames;
    for (Bytes& frame : partial) frame = with_partial_checksum(flow, frame);
    Split split(partial);
    CHECK_EQ(split.made, 1u);
    CHECK(split.frames() == frames);
  }
}

TEST("train: a single datagram and what is no frame come out unchanged") {
  const Bytes frame = frame_of({}, payload_bytes(1400));
  Split single({frame});
  CHECK(single.packets[0] == frame && single.segments[0] == 0);
  const std::vector<Bytes> rubbish = {Bytes(40, 1), Bytes(40, 2), Bytes(3, 3)};
  CHECK(Split(rubbish).packets == rubbish);
  // The last one has not even a whole prefix.
  Pools pools(4, 1);
  Packet* train = packet_of(pools, join({kVxlan, Bytes(2000, 1), hex("080000")}));
  set_datagram(*train, {});
  Packet* out[4];
  uint32_t coalesced = 0, lost = 0;
  CHECK_EQ(split_train(train, 2008, 8, out, 4, pools, coalesced, lost), 2u);
  CHECK(bytes_of(*out[1]) == hex("080000"));
  release(out[0]);
  release(out[1]);
  CHECK(whole(pools));
}

TEST("train: a stride of 0 or beyond the end is one datagram") {
  for (uint32_t stride : {0u, 5000u}) {
    for (size_t size : {0u, 100u}) {
      Pools pools(4, 1);
      Packet* train = packet_of(pools, Bytes(size, 1));
      set_datagram(*train, {});
      Packet* out[4];
      uint32_t coalesced = 0, lost = 0;
      CHECK_EQ(split_train(train, stride, 8, out, 4, pools, coalesced, lost), 1u);
      CHECK(bytes_of(*out[0]) == Bytes(size, 1) && out[0]->is_ordinary());
      release(out[0]);
      CHECK(whole(pools));
    }
  }
}

TEST("train: pure ACKs stay as they are, in order") {
  std::vector<Bytes> acks;
  for (uint32_t i = 0; i < 20; ++i) {
    Bytes ack = frame_of({}, {});
    put32(ack, 34 + 8, 1000 * i);
    acks.push_back(with_right_checksum({}, ack));
  }
  Split split(acks);
  CHECK_EQ(split.coalesced, 0u);
  CHECK(split.packets == acks);
}

TEST("train: a frame with a wrong checksum passes unchanged and in its place") {
  for (const Flow& flow : all_flows()) {
    for (size_t segment : {1400u, 333u, 20u}) {  // shorter than the way it moves, too
      for (size_t wrong : {0u, 1u, 2u, 7u, 19u}) {
        auto frames = numbered(flow, 20, segment, segment - 3);
        frames[wrong].back() ^= 0x10;
        Split split(frames);
        CHECK(split.frames() == frames);
        const uint32_t runs = wrong == 0 || wrong == 19 ? 2 : 3;
        CHECK_EQ(split.made, runs);
        bool alone = false;
        for (size_t i = 0; i < split.made; ++i) alone |= split.packets[i] == frames[wrong] && split.segments[i] == 0;
        CHECK(alone);
      }
    }
  }
}

TEST("train: runs end and begin, order stays") {
  const Flow flow;
  auto frames = numbered(flow, 5, 1400, 1400);
  for (const Bytes& frame : numbered(flow, 6, 1400, 1400, 900'000)) frames.push_back(frame);
  Bytes other = frame_of({.tcp = false}, payload_bytes(1400 + 12));
  frames.push_back(other);
  frames.push_back(other);
  for (const Bytes& frame : numbered(flow, 3, 1400, 9, 12000)) frames.push_back(frame);
  Split split(frames);
  CHECK_EQ(split.made, 4u);
  CHECK_EQ(split.coalesced, 12u);
  // Two equal UDP datagrams had the same ID; cut again, it counts.
  frames[12] = frame_of({.tcp = false}, payload_bytes(1400 + 12), {.id = 0xffff});
  CHECK(split.frames() == frames);
}

TEST("train: another VXLAN header is another packet") {
  const auto frames = numbered({}, 6, 1400, 1400);
  std::vector<Bytes> prefixes(6, kVxlan);
  prefixes[3] = hex("08000000 00100200");
  Split split(frames, 64, 64, 4, prefixes);
  CHECK_EQ(split.made, 3u);
  CHECK(split.frames() == frames);
  CHECK_EQ(split.segments[1], 0);
  CHECK(split.kept_prefixes == (std::vector<Bytes>{kVxlan, prefixes[3], kVxlan}));
}

TEST("train: a first run that ends at a wrong checksum leaves the prefix behind it whole") {
  auto frames = numbered({}, 3, 100, 100);
  frames[1].back() ^= 1;
  Pools pools(8, 1);
  const Bytes bytes = join({kVxlan, frames[0], kVxlan, frames[1], kVxlan, frames[2]});
  Packet* train = packet_of(pools, bytes);
  set_datagram(*train, {});
  Packet* out[8];
  uint32_t coalesced = 0, lost = 0;
  CHECK_EQ(split_train(train, 162, 8, out, 8, pools, coalesced, lost), 3u);
  for (size_t i = 0; i < 3; ++i) {
    CHECK(bytes_of(*out[i]) == join({kVxlan, frames[i]}));
    release(out[i]);
  }
  CHECK(whole(pools));
}

TEST("train: what no buffer is left for, or exceeds the room, is counted as lost") {
  auto frames = numbered({}, 6, 1400, 1400);
  frames[2].back() ^= 1;  // three runs: 2, 1 and 3
  Split dry(frames, 64, 0, 0);
  CHECK_EQ(dry.made, 1u);
  CHECK_EQ(dry.lost, 4u);
  Split small(frames, 64, 8, 0);  // the run of 3 needs a large buffer
  CHECK_EQ(small.made, 2u);
  CHECK_EQ(small.lost, 3u);
  Split two(frames, 2);
  CHECK_EQ(two.made, 2u);
  CHECK_EQ(two.lost, 3u);
  Split none(frames, 0);
  CHECK_EQ(none.made, 0u);
  CHECK_EQ(none.lost, 6u);
  CHECK_EQ(none.coalesced, 0u);
}

TEST("train: copying sums like summing, and may move down over itself") {
  const Bytes from = payload_bytes(400);
  for (size_t length = 0; length <= 300; ++length) {
    for (size_t distance : {1u, 2u, 31u, 32u, 63u, 74u}) {
      Bytes bytes = from;
      const uint64_t sum = checksum_copy(bytes.data(), bytes.data() + distance, length, 5);
      CHECK_EQ(checksum_fold(sum), checksum_fold(checksum_add(from.data() + distance, length, 5)));
      CHECK(slice(bytes, 0, length) == slice(from, distance, length));
      CHECK(slice(bytes, length, 400 - length) == slice(from, length, 400 - length));
    }
  }
}
