// Any train of datagrams, made up or spoilt: it comes apart in order, super-frames cut again are what went in, every
// checksum written is right, and no packet is lost.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "core/datagram.h"
#include "offload/merge.h"
#include "offload/segment.h"
#include "test/offload_frames.h"
#include "wire/checksum.h"

using namespace overlane;
using test::Bytes;

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

// What is left of the input, and 0 after its end.
struct Input {
  const uint8_t* data;
  size_t size;
  uint8_t byte() { return size == 0 ? 0 : (--size, *data++); }
  uint16_t word() {
    const uint8_t low = byte();
    return static_cast<uint16_t>(low | byte() << 8);
  }
  Bytes rest() const { return Bytes(data, data + size); }
};

struct Train {
  Bytes bytes;
  uint32_t stride;
  uint32_t prefix;
  Bytes datagram(size_t i) const {
    if (stride == 0) return bytes;
    const size_t at = i * stride;
    return test::slice(bytes, at, std::min<size_t>(stride, bytes.size() - at));
  }
  size_t count() const { return stride == 0 || bytes.empty() ? 1 : (bytes.size() + stride - 1) / stride; }
};

// Frames of one flow, of which the input changes some bytes; with `partial`, their checksums are left open.
Train made_up(Input& input) {
  const uint8_t kind = input.byte();
  test::Flow flow{.ipv6 = (kind & 1) != 0, .tcp = (kind & 2) != 0, .tags = (kind >> 2) % 3u};
  if (kind & 16) flow.tcp_options = Bytes(12, 1);
  const bool partial = kind & 32, repaired = kind & 64;
  const size_t count = 1 + input.byte() % 50;
  const size_t segment = 1 + input.word() % 1300;
  const size_t last = 1 + input.word() % segment;
  Train train{{}, 0, input.byte() % 24u};
  test::Piece piece;
  std::vector<Bytes> frames;
  for (size_t i = 0; i < count; ++i, piece.sequence += static_cast<uint32_t>(segment), ++piece.id) {
    const size_t size = i + 1 < count ? segment : last;
    frames.push_back(test::frame_of(flow, test::payload_bytes(size, static_cast<uint8_t>(i)), piece));
  }
  const size_t header = test::header_of(flow);
  while (input.size >= 3) {
    Bytes& frame = frames[input.byte() % count];
    const uint8_t at = input.byte();
    frame[at < header ? at : at % frame.size()] = input.byte();
    if (repaired) frame = test::with_right_checksum(flow, test::with_ip_checksum(flow, frame));
  }
  for (Bytes& frame : frames) {
    if (partial) frame = test::with_partial_checksum(flow, frame);
    train.bytes = test::join({train.bytes, Bytes(train.prefix, 0x08), frame});
  }
  train.stride = static_cast<uint32_t>(train.prefix + frames[0].size());
  if (train.bytes.size() > Pools::kLargeRoom) train.bytes.resize(Pools::kLargeRoom);
  return train;
}

bool checksum_holds(const Bytes& frame, const Headers& h) {
  const uint8_t* ip = &frame[h.l3];
  const uint8_t* l4 = &frame[h.l4];
  const uint32_t length = h.end - h.l4;
  if (h.protocol == 17 && h.ip_version == 4 && load<uint16_t>(l4 + 6) == 0) return true;
  const uint64_t pseudo = h.ip_version == 4 ? checksum_pseudo_ipv4(ip + 12, ip + 16, h.protocol, length)
                                            : checksum_pseudo_ipv6(ip + 8, ip + 24, h.protocol, length);
  if (h.ip_version == 4 && checksum_fold(checksum_add(ip, (ip[0] & 15) * 4)) != 0xffff) return false;
  return checksum_fold(checksum_add(l4, length, pseudo)) == 0xffff;
}

// The pools with so many buffers left; the rest is held as long as this lives. All are back at the end.
class Shortage {
 public:
  Shortage(uint32_t small, uint32_t large) {
    while (pools.small().available() > small) held_.push_back(pools.take(1));
    while (pools.large().available() > large) held_.push_back(pools.take(Pools::kLargeRoom));
  }
  ~Shortage() {
    for (Packet* packet : held_) release(packet);
    require(test::whole(pools), "no packet is lost");
  }
  static Pools pools;

 private:
  std::vector<Packet*> held_;
};
Pools Shortage::pools(64, 65);

Packet* large_packet(Pools& pools, const Bytes& bytes) {
  Packet* packet = pools.take(Pools::kLargeRoom);
  std::copy(bytes.begin(), bytes.end(), packet->data);
  packet->length = static_cast<uint32_t>(bytes.size());
  return packet;
}

// Cuts any frame, with few and with enough buffers; the segments are whole and have its payload.
void fuzz_cut(const Bytes& frame, uint16_t segment, uint32_t small, uint32_t max) {
  if (frame.size() > Pools::kLargeRoom) return;
  const Shortage shortage(small, 2);
  Pools& pools = Shortage::pools;
  const Headers h = test::parsed(frame);
  Packet* super = large_packet(pools, frame);
  super->segment = segment;
  super->flags = kPartialChecksum;
  super->headers = h;
  Segmentation plan;
  const bool planned = plan_segments(frame.data(), static_cast<uint32_t>(frame.size()), h, segment, plan);
  std::vector<Packet*> out(max);
  const uint32_t made = cut(super, out.data(), max, pools);
  if (made == 0) {
    require(!planned || max == 0, "what has a plan is cut");
    require(test::bytes_of(*super) == frame, "what is not cut stays");
    require(segment == 0 || !complete_checksum(*super), "a super-frame is no ordinary packet");
    return release(super);
  }
  require(planned, "what is cut has a plan");
  Bytes payload;
  const auto expected = test::segments_of(frame, segment);
  for (uint32_t i = 0; i < made; ++i) {
    const Bytes piece = test::bytes_of(*out[i]);
    require(test::parsed(piece) == out[i]->headers && out[i]->headers.status == ParseStatus::ok, "a segment is whole");
    require(checksum_holds(piece, out[i]->headers), "a segment's checksums are right");
    require(piece == expected[i], "cut writes what write_segment_header does");
    payload.insert(payload.end(), piece.begin() + plan.header, piece.end());
    release(out[i]);
  }
  require(made == std::min({plan.count, max, small + 1}), "none is missing that there was a buffer for");
  require(std::memcmp(payload.data(), frame.data() + plan.header, payload.size()) == 0, "and in order");
}

// The same frame: all but what cutting writes anew.
bool same_frame(const Bytes& cut, const Bytes& original) {
  const Headers h = test::parsed(original);
  if (!(test::parsed(cut) == h) || cut.size() != original.size()) return false;
  Bytes a = cut, b = original;
  for (Bytes* bytes : {&a, &b}) {
    if (h.ip_version == 4) std::memset(&(*bytes)[h.l3 + 4], 0, 2), std::memset(&(*bytes)[h.l3 + 10], 0, 2);
    std::memset(&(*bytes)[h.l4 + (h.protocol == 6 ? 16 : 6)], 0, 2);
  }
  return a == b;
}

bool was_right(const Bytes& frame) {
  const Headers h = test::parsed(frame);
  return has_partial_checksum(frame.data(), h) || checksum_holds(frame, h);
}

// One packet against the datagrams from number `at`; returns how many it holds.
size_t check_packet(const Train& train, size_t at, const Bytes& packet, uint16_t segment) {
  const Bytes prefix = test::slice(train.datagram(at), 0, segment != 0 ? train.prefix : 0);
  if (segment == 0) return require(packet == train.datagram(at), "an ordinary packet is unchanged"), 1;
  require(test::slice(packet, 0, train.prefix) == prefix, "the prefix is the first one's");
  const auto pieces = test::segments_of(test::slice(packet, train.prefix, packet.size() - train.prefix), segment);
  require(pieces.size() > 1, "a super-frame can be cut");
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Bytes datagram = train.datagram(at + i);
    const Bytes frame = test::slice(datagram, train.prefix, datagram.size() - train.prefix);
    require(test::slice(datagram, 0, train.prefix) == prefix, "one prefix stands for equal ones");
    require(was_right(frame), "no wrong checksum is made right");
    require(same_frame(pieces[i], frame), "cut again, it is what went in");
  }
  return pieces.size();
}

void fuzz_train(const Train& train, uint32_t small, uint32_t large, uint32_t max) {
  const Shortage shortage(small, large + 1);
  Pools& pools = Shortage::pools;
  Packet* packet = large_packet(pools, train.bytes);
  set_datagram(*packet, {{1, 2}, 3, 4});
  std::vector<Packet*> out(max);
  uint32_t coalesced = 0, lost = 0;
  const uint32_t made = split_train(packet, train.stride, train.prefix, out.data(), max, pools, coalesced, lost);
  require(made + coalesced + lost == train.count(), "every datagram is accounted for");
  require(made > 0 || max == 0, "the first needs no buffer");
  size_t at = 0;
  for (uint32_t i = 0; i < made; ++i) {
    const Datagram kept = datagram_of(*out[i]);
    require(kept.peer == IpAddress{1, 2} && kept.flow == 3 && kept.tos == 4, "the sender is known");
    // What was lost in between is not known; without losses, all must be there.
    if (lost == 0) at += check_packet(train, at, test::bytes_of(*out[i]), out[i]->segment);
    release(out[i]);
  }
  require(lost != 0 || at == train.count(), "nothing is missing");
}

// One by one, each at its exact length.
void fuzz_merger(const Train& train) {
  Merger merger;
  std::vector<std::unique_ptr<Bytes>> kept;
  for (size_t i = 0; i < train.count() && train.stride != 0; ++i) {
    const Bytes datagram = train.datagram(i);
    if (datagram.size() < train.prefix) return;
    kept.push_back(std::make_unique<Bytes>(test::slice(datagram, train.prefix, datagram.size() - train.prefix)));
    const Bytes& frame = *kept.back();
    if (!test::add(merger, frame) && !test::begin(merger, frame)) merger = Merger();
    has_partial_checksum(frame.data(), test::parsed(frame));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input{data, size};
  const uint8_t mode = input.byte();
  const uint32_t small = mode & 2 ? input.byte() % 8u : 64;
  const uint32_t max = mode & 4 ? input.byte() % 8u : 64;
  Train train;
  if (mode & 1) {
    train = made_up(input);
  } else {
    train.stride = input.word();
    train.prefix = input.byte() % 24u;
    train.bytes = input.rest();
  }
  fuzz_train(train, small, mode & 2 ? 1 : 64, max);
  fuzz_merger(train);
  const uint16_t segment = mode & 8 ? static_cast<uint16_t>(1 + mode) : 1400;
  const size_t from = std::min<size_t>(train.prefix, train.bytes.size());
  fuzz_cut(test::slice(train.bytes, from, train.bytes.size() - from), segment, small, max);
  return 0;
}
