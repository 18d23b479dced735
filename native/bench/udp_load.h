// What the generator and the sink of udp_load know both: the payload, and the options.
#pragma once

#include <netinet/in.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace overlane {

inline constexpr size_t kBatch =
    64;  // also the most segments of one UDP_SEGMENT send (UDP_MAX_SEGMENTS before Linux 6.9)
inline constexpr size_t kOverhead = 14 + 20 + 8 + 4;  // Ethernet, IPv4, UDP, FCS: what --size counts beside the payload
inline constexpr size_t kMinPayload = 18;             // a 64-byte frame
inline constexpr size_t kMaxPayload = 1472;
inline constexpr size_t kMaxFlows = 256;
inline constexpr uint64_t kSecond = 1'000'000'000;

// Payload: sequence number of the flow, flow, then bytes that follow from both. Host order: both ends are one machine.
struct Head {
  uint64_t sequence;
  uint16_t flow;
} __attribute__((packed));
static_assert(sizeof(Head) == 10 && sizeof(Head) <= kMinPayload);

// SplitMix64's finalizer: every bit of the header changes about half of the pattern.
inline uint64_t pattern_of(const Head& head) {
  uint64_t x = head.sequence + (uint64_t{head.flow} << 48) + 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

inline void fill(uint8_t* at, size_t size, Head head) {
  memcpy(at, &head, sizeof head);
  const uint64_t pattern = pattern_of(head);
  for (size_t i = sizeof head; i < size; i += sizeof pattern)
    memcpy(at + i, &pattern, std::min(sizeof pattern, size - i));
}

inline bool intact(const uint8_t* at, size_t size, const Head& head) {
  const uint64_t pattern = pattern_of(head);
  for (size_t i = sizeof head; i < size; i += sizeof pattern) {
    if (memcmp(at + i, &pattern, std::min(sizeof pattern, size - i)) != 0) return false;
  }
  return true;
}

inline uint64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return uint64_t(t.tv_sec) * kSecond + uint64_t(t.tv_nsec);
}

[[noreturn]] inline void fail(const char* what) {
  fprintf(stderr, "udp_load: %s: %s\n", what, strerror(errno));
  exit(1);
}

struct Options {
  in_addr to{};
  uint16_t port = 0;
  size_t payload = kMinPayload;
  double rate = 0;  // packets a second; 0: as fast as it goes
  double seconds = 1;
  size_t flows = 1;
  bool gso = false;
  int wait_ms = 5000;
  int idle_ms = 200;
};

// Each prints its one JSON object when it is done.
void send_load(const Options& options);
void receive_load(const Options& options);

}  // namespace overlane
