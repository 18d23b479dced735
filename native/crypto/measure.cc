#include "crypto/measure.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

namespace overlane {

namespace {

constexpr uint32_t kBurst = 8;  // what is opened stays sealed beside it, and both fit into the first level up to 1,500
constexpr int kRuns = 5;
constexpr double kRunNs = 4e6;

double now_ns() {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Burst {
  std::vector<uint8_t> sealed, opened;
  uint8_t tags[kBurst][16] = {};
  AeadJob jobs[kBurst];

  explicit Burst(uint32_t length) : sealed(kBurst * (length + 64)), opened(length + 64) {
    for (uint32_t i = 0; i < kBurst; ++i) {
      uint8_t* data = sealed.data() + i * (length + 64);
      jobs[i] = {data, data, length, 12, false, {}, {}, tags[i]};
      std::memcpy(jobs[i].nonce + 8, &i, sizeof i);
    }
  }
  void open_aside() {
    for (AeadJob& job : jobs) job.out = opened.data();
  }
};

// One run's nanoseconds a packet.
double run(Aead& aead, Burst& burst, bool seal) {
  uint64_t packets = 0;
  const double from = now_ns();
  double spent = 0;
  do {
    for (int round = 0; round < 16; ++round) {
      if (seal) {
        for (uint32_t i = 0; i < kBurst; ++i) {
          const uint64_t nonce = packets + i;
          std::memcpy(burst.jobs[i].nonce, &nonce, sizeof nonce);
        }
        if (!aead.seal(burst.jobs, kBurst)) return -1;
      } else {
        aead.open(burst.jobs, kBurst);
      }
      packets += kBurst;
    }
    spent = now_ns() - from;
  } while (spent < kRunNs);
  return spent / static_cast<double>(packets);
}

}  // namespace

double aead_ns(AeadEngine engine, uint32_t key_bits, uint32_t length, bool seal) {
  static constexpr uint8_t kKey[32] = {1, 2, 3};
  const auto aead = length <= 65535 ? make_aead(engine, kKey, key_bits / 8, 16) : nullptr;
  if (aead == nullptr) return -1;
  Burst burst(length);
  if (!seal) {
    if (!aead->seal(burst.jobs, kBurst)) return -1;
    burst.open_aside();
  }
  double best = 0;
  for (int i = 0; i < kRuns; ++i) {
    const double ns = run(*aead, burst, seal);
    if (ns < 0) return -1;
    best = i == 0 ? ns : std::min(best, ns);
  }
  return best;
}

}  // namespace overlane
