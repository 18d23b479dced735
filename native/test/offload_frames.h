// TCP and UDP frames of one flow, byte by byte and with checksums of their own reckoning, for the tests of offload.
#pragma once

#include <algorithm>

#include "core/packet.h"
#include "core/pool.h"
#include "offload/merge.h"
#include "offload/segment.h"
#include "stage/parse.h"
#include "test/frames.h"

namespace overlane::test {

inline constexpr uint8_t kAckOnly = 0x10, kAckPush = 0x18;

struct Flow {
  bool ipv6 = false;
  bool tcp = true;
  unsigned tags = 0;
  Bytes tcp_options = {};  // a multiple of 4 bytes
  Bytes ip_options = {};   // IPv4: a multiple of 4 bytes
  Bytes extensions = {};   // IPv6, whole; the first is of type `extension`, the last says what follows
  uint8_t extension = 0;
  uint16_t fragment = 0x4000;
  bool udp_checksum = true;
};

// Of outer headers.
inline Flow outer_flow(bool v6) {
  return {.ipv6 = v6, .tcp = false};
}

// One frame of it; the defaults are those of the first.
struct Piece {
  uint32_t sequence = 0xfffffe00;  // wraps around soon
  uint8_t flags = kAckOnly;
  uint16_t id = 0xfffe;  // too
};

inline void put16(Bytes& bytes, size_t at, size_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}
inline void put32(Bytes& bytes, size_t at, uint32_t value) {
  put16(bytes, at, value >> 16);
  put16(bytes, at + 2, value & 0xffff);
}

inline size_t l3_of(const Flow& flow) {
  return 14 + 4 * flow.tags;
}
inline size_t l4_of(const Flow& flow) {
  return l3_of(flow) + (flow.ipv6 ? 40 + flow.extensions.size() : 20 + flow.ip_options.size());
}
inline size_t header_of(const Flow& flow) {
  return l4_of(flow) + (flow.tcp ? 20 + flow.tcp_options.size() : 8);
}
inline size_t checksum_at(const Flow& flow) {
  return l4_of(flow) + (flow.tcp ? 16 : 6);
}

inline Bytes pseudo_header(const Flow& flow, const Bytes& frame) {
  const size_t addresses = l3_of(flow) + (flow.ipv6 ? 8 : 12);
  Bytes pseudo(frame.begin() + static_cast<long>(addresses),
               frame.begin() + static_cast<long>(addresses + (flow.ipv6 ? 32 : 8)));
  Bytes rest(8);
  put32(rest, 0, static_cast<uint32_t>(frame.size() - l4_of(flow)));
  rest[7] = flow.tcp ? 6 : 17;
  return join({pseudo, rest});
}

// The checksum field a sender leaves to hardware.
inline Bytes with_partial_checksum(const Flow& flow, Bytes frame) {
  const Bytes pseudo = pseudo_header(flow, frame);
  put16(frame, checksum_at(flow), static_cast<uint16_t>(~ones_complement(pseudo, 0, pseudo.size())));
  return frame;
}

inline Bytes with_right_checksum(const Flow& flow, Bytes frame) {
  put16(frame, checksum_at(flow), 0);
  if (!flow.tcp && !flow.udp_checksum) return frame;
  const Bytes l4(frame.begin() + static_cast<long>(l4_of(flow)), frame.end());
  const Bytes all = join({pseudo_header(flow, frame), l4});
  const uint16_t checksum = ones_complement(all, 0, all.size());
  put16(frame, checksum_at(flow), checksum == 0 && !flow.tcp ? 0xffff : checksum);
  return frame;
}

inline Bytes with_ip_checksum(const Flow& flow, Bytes frame) {
  if (flow.ipv6) return frame;
  put16(frame, l3_of(flow) + 10, 0);
  put16(frame, l3_of(flow) + 10, ones_complement(frame, l3_of(flow), l4_of(flow)));
  return frame;
}

inline Bytes tcp_header(const Flow& flow, const Piece& piece) {
  Bytes tcp = join({hex("c350 1451 00000000 01020304 0000 01f5 0000 0000"), flow.tcp_options});
  put32(tcp, 4, piece.sequence);
  tcp[12] = static_cast<uint8_t>(tcp.size() / 4 << 4);
  tcp[13] = piece.flags;
  return tcp;
}

inline Bytes frame_of(const Flow& flow, const Bytes& payload, const Piece& piece = {}) {
  Bytes frame = join({mac(2), mac(1)});
  if (flow.tags > 1) frame = join({frame, hex("88a8 0064")});
  if (flow.tags > 0) frame = join({frame, hex("8100 a00a")});
  Bytes l4 = flow.tcp ? tcp_header(flow, piece) : hex("c350 1451 0000 0000");
  if (!flow.tcp) put16(l4, 4, 8 + payload.size());
  const uint8_t protocol = flow.tcp ? 6 : 17;
  if (flow.ipv6) {
    Bytes ip = hex("6a012345 0000 00 40 fd000000000000000000000000000001 fd000000000000000000000000000002");
    put16(ip, 4, flow.extensions.size() + l4.size() + payload.size());
    ip[6] = flow.extensions.empty() ? protocol : flow.extension;
    frame = join({frame, hex("86dd"), ip, flow.extensions, l4, payload});
  } else {
    Bytes ip = join({hex("4502 0000 0000 0000 40 00 0000 0a000001 0a000002"), flow.ip_options});
    ip[0] = static_cast<uint8_t>(0x40 | ip.size() / 4);
    put16(ip, 2, ip.size() + l4.size() + payload.size());
    put16(ip, 4, piece.id);
    put16(ip, 6, flow.fragment);
    ip[9] = protocol;
    frame = join({frame, hex("0800"), ip, l4, payload});
  }
  return with_right_checksum(flow, with_ip_checksum(flow, frame));
}

inline Bytes payload_bytes(size_t size, uint8_t seed = 1) {
  Bytes out(size);
  uint32_t x = seed;
  for (uint8_t& byte : out) byte = static_cast<uint8_t>((x = x * 1664525 + 1013904223) >> 24);
  return out;
}
inline Bytes slice(const Bytes& bytes, size_t from, size_t size) {
  return Bytes(bytes.begin() + static_cast<long>(from), bytes.begin() + static_cast<long>(from + size));
}
inline Headers parsed(const Bytes& frame) {
  return parse_frame(frame.data(), static_cast<uint32_t>(frame.size()));
}

// Every shape that is cut and put together alike.
inline std::vector<Flow> all_flows() {
  std::vector<Flow> flows;
  const Bytes timestamps = hex("0101 080a 00000102 00000304");
  const Bytes longest = join({timestamps, timestamps, timestamps, hex("01010101")});
  for (bool ipv6 : {false, true}) {
    for (unsigned tags : {0u, 1u, 2u}) {
      flows.push_back({.ipv6 = ipv6, .tcp = false, .tags = tags});
      for (const Bytes& options : {Bytes{}, timestamps, longest}) {
        flows.push_back({.ipv6 = ipv6, .tcp = true, .tags = tags, .tcp_options = options});
      }
    }
  }
  return flows;
}

// A packet of the pool with these bytes, parsed; large rooms only where needed.
inline Packet* packet_of(Pools& pools, const Bytes& bytes, uint16_t segment = 0, uint16_t flags = 0) {
  Packet* packet = pools.take(static_cast<uint32_t>(bytes.size()));
  std::copy(bytes.begin(), bytes.end(), packet->data);
  packet->length = static_cast<uint32_t>(bytes.size());
  packet->segment = segment;
  packet->flags = flags;
  packet->time = 77;
  packet->set_origin(5, 6, 7);
  packet->headers = parsed(bytes);
  return packet;
}
inline Bytes bytes_of(const Packet& packet) {
  return Bytes(packet.data, packet.data + packet.length);
}
inline bool whole(const Pools& pools) {
  return pools.small().available() == pools.small().size() && pools.large().available() == pools.large().size();
}

// The frames of one sender: `size` bytes in segments, the last one with PSH.
inline std::vector<Bytes> stream(const Flow& flow, const Bytes& payload, size_t segment, Piece piece = {}) {
  std::vector<Bytes> out;
  for (size_t at = 0; at < payload.size(); at += segment) {
    const size_t size = std::min(segment, payload.size() - at);
    if (flow.tcp && at + size == payload.size()) piece.flags |= 0x08;
    out.push_back(frame_of(flow, slice(payload, at, size), piece));
    piece.sequence += static_cast<uint32_t>(size);
    ++piece.id;
  }
  return out;
}

inline bool begin(Merger& merger, const Bytes& frame) {
  return merger.begin(frame.data(), static_cast<uint32_t>(frame.size()), parsed(frame));
}
inline bool add(Merger& merger, const Bytes& frame) {
  return merger.add(frame.data(), static_cast<uint32_t>(frame.size()), parsed(frame));
}
// The segments of a super-frame; none when there is no plan for it.
inline std::vector<Bytes> segments_of(const Bytes& super, uint16_t segment) {
  Segmentation plan;
  std::vector<Bytes> out;
  if (!plan_segments(super.data(), static_cast<uint32_t>(super.size()), parsed(super), segment, plan)) return out;
  for (uint32_t i = 0; i < plan.count; ++i) {
    Bytes piece(plan.header);
    write_segment_header(plan, i, piece.data());
    piece.insert(piece.end(), plan.payload_at(i), plan.payload_at(i) + plan.payload_of(i));
    out.push_back(piece);
  }
  return out;
}

}  // namespace overlane::test
