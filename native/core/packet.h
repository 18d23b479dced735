// A packet: one cache line of metadata in front of its buffer, with room before and after the frame.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/bytes.h"
#include "core/headers.h"
#include "core/platform.h"
#include "core/time.h"

namespace overlane {

class Pool;

// Where a packet comes from or goes to: a local port, or a tunnel (one VTEP of one VNI).
using Place = uint32_t;
inline constexpr Place kTunnelBit = 0x800000;
inline constexpr Place kPlaceMask = 0xffffff;
inline constexpr Place kNowhere = kPlaceMask;
inline constexpr Place kRouted = kTunnelBit - 1;  // from a router of ours: may go back to the port that it came from
OVERLANE_INLINE bool is_tunnel(Place place) {
  return place & kTunnelBit;
}
OVERLANE_INLINE uint32_t tunnel_index(Place place) {
  return place & (kTunnelBit - 1);
}

inline constexpr uint32_t kHeadroom = 128;  // two VXLAN/IPv6 stacks or one with ESP; a multiple of the cache line
inline constexpr uint32_t kTailroom = 64;   // ESP padding and ICV; a proxied ND reply grows by 8

enum PacketFlags : uint16_t {
  kPartialChecksum =
      1,              // the TCP or UDP checksum field holds the sum of the pseudo-header only, for somebody to complete
  kInnerOffload = 2,  // the above and `segment` are of the frame inside VXLAN; decap clears this
  kTrain = 4,         // a super-frame of UDP made of datagrams, which counts as so many once it was sent
};

struct alignas(kCacheLine) Packet {
  uint8_t* data;
  Pool* pool;
  Nanos time;
  uint32_t length;
  uint32_t cut;      // bytes that a capture left out at the end
  uint16_t segment;  // payload bytes a segment of a super-frame (TSO, USO); 0: an ordinary packet
  uint16_t flags;    // PacketFlags
  Headers headers;
  Place source;
  uint16_t ingress;  // port that received it, for its counters
  uint16_t domain;

  // The three above in one store.
  OVERLANE_INLINE void set_origin(Place from, uint16_t port, uint16_t into) {
    store(&source, uint64_t{from} | uint64_t{port} << 32 | uint64_t{into} << 48);
  }
  bool is_ordinary() const { return load<uint32_t>(&segment) == 0; }
  uint8_t* buffer() { return reinterpret_cast<uint8_t*>(this + 1); }
  uint32_t headroom() { return static_cast<uint32_t>(data - buffer()); }
};
static_assert(sizeof(Packet) == kCacheLine);
static_assert(offsetof(Packet, segment) == offsetof(Packet, cut) + 4 &&
              offsetof(Packet, flags) == offsetof(Packet, cut) + 6);
static_assert(offsetof(Packet, ingress) == offsetof(Packet, source) + 4);
static_assert(offsetof(Packet, domain) == offsetof(Packet, source) + 6);

// Of a kTrain.
inline uint32_t datagrams_of(const Packet& train) {
  return (train.length - train.headers.payload + train.segment - 1) / train.segment;
}

inline constexpr unsigned kMaxBurst = 256;

struct Burst {
  uint32_t count = 0;
  Packet* packets[kMaxBurst];
};

}  // namespace overlane
