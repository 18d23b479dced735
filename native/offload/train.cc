// split_train: datagrams that arrived as one buffer (UDP_GRO), and what of them belongs together.
#include <cstring>

#include "core/datagram.h"
#include "offload/merge.h"
#include "stage/parse.h"

namespace overlane {

namespace {

struct Train {
  const uint8_t* data;
  uint32_t length;
  uint32_t stride;
  uint32_t prefix;

  uint32_t length_at(uint32_t at) const { return length - at < stride ? length - at : stride; }
  uint32_t datagrams(uint32_t bytes) const { return stride == 0 ? 1 : (bytes + stride - 1) / stride; }
  bool same_prefix(uint32_t a, uint32_t b) const {
    if (OVERLANE_LIKELY(prefix == sizeof(uint64_t))) return load<uint64_t>(data + a) == load<uint64_t>(data + b);
    return std::memcmp(data + a, data + b, prefix) == 0;
  }
};

// Datagrams [at, end) that become one packet.
struct Run {
  uint32_t at;
  uint32_t end;
  uint32_t length;  // of the packet, prefix included
  Merger merger;
};

// `in_place`: the train's own bytes, where payloads move down to be contiguous; nullptr to leave them.
void find_run(const Train& train, uint32_t at, uint8_t* in_place, Run& run) {
  run.at = at;
  run.length = train.length_at(at);
  run.end = at + run.length;
  if (run.length <= train.prefix) return;
  const uint8_t* first = train.data + at + train.prefix;
  const uint32_t first_length = run.length - train.prefix;
  if (!run.merger.begin(first, first_length, parse_frame(first, first_length))) return;
  const uint32_t header = train.prefix + run.merger.header();
  while (run.end < train.length) {
    const uint32_t length = train.length_at(run.end);
    if (length <= train.prefix || !train.same_prefix(at, run.end)) return;
    const uint8_t* frame = train.data + run.end + train.prefix;
    const uint32_t frame_length = length - train.prefix;
    const Headers headers = parse_frame(frame, frame_length);
    if (in_place == nullptr) {
      if (!run.merger.add(frame, frame_length, headers)) return;
    } else if (!run.merger.add_moving(in_place + run.end + train.prefix, frame_length, headers,
                                      in_place + run.length)) {
      std::memcpy(in_place + run.end, in_place, train.prefix);  // it was the same, and may be overwritten
      return;
    }
    run.length += length - header;
    run.end += length;
  }
}

// The first datagram whole, then the payloads of the others.
void copy_run(const Train& train, const Run& run, uint8_t* to) {
  uint32_t length = train.length_at(run.at);
  std::memcpy(to, train.data + run.at, length);
  const uint32_t header = train.prefix + run.merger.header();
  for (uint32_t at = run.at + length, filled = length; at < run.end; at += length) {
    length = train.length_at(at);
    std::memcpy(to + filled, train.data + at + header, length - header);
    filled += length - header;
  }
}

void become_packet(Packet* packet, const Packet& train, const Datagram& datagram, const Run& run, uint32_t prefix) {
  packet->time = train.time;
  packet->length = run.length;
  packet->cut = 0;
  packet->segment = 0;
  packet->flags = train.flags;
  packet->set_origin(train.source, train.ingress, train.domain);
  set_datagram(*packet, datagram);
  if (run.merger.count() < 2) return;
  run.merger.finish(packet->data + prefix);
  packet->segment = run.merger.segment();
  packet->flags |= kPartialChecksum;
}

}  // namespace

uint32_t split_train(Packet* packet, uint32_t stride, uint32_t prefix, Packet** out, uint32_t max, Pools& pools,
                     uint32_t& coalesced, uint32_t& lost) {
  const uint32_t length = packet->length;
  const Train train{packet->data, length, stride == 0 || stride > length ? length : stride, prefix};
  if (max == 0) return lost += train.datagrams(length), release(packet), 0;
  const Packet origin = *packet;
  const Datagram datagram = datagram_of(*packet);
  uint32_t made = 0;
  uint32_t at = 0;
  do {
    if (made == max) return lost += train.datagrams(length - at), made;
    Run run;
    find_run(train, at, at == 0 ? packet->data : nullptr, run);
    Packet* to = at == 0 ? packet : pools.take(run.length);
    const uint32_t datagrams = train.datagrams(run.end - at);
    if (OVERLANE_LIKELY(to != nullptr)) {
      if (at != 0) copy_run(train, run, to->data);
      become_packet(to, origin, datagram, run, prefix);
      coalesced += datagrams - 1;
      out[made++] = to;
    } else {
      lost += datagrams;
    }
    at = run.end;
  } while (at < length);
  return made;
}

}  // namespace overlane
