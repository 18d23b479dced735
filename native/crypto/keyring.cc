#include "crypto/keyring.h"

#include <algorithm>
#include <array>
#include <vector>

#include "crypto/kdf.h"

namespace overlane {

bool SentSpis::claim(uint32_t spi) {
  const std::lock_guard lock(mutex_);
  return claimed_.insert(spi).second;
}

std::shared_ptr<SharedNumbers> SentSpis::numbers_of(uint32_t spi) {
  const std::lock_guard lock(mutex_);
  auto& numbers = numbers_[spi];
  uint64_t start;
  if (!numbers && random_bytes(&start, sizeof start)) numbers = std::make_shared<SharedNumbers>(start);
  return numbers;
}

namespace {

// A mark by which a secret is known again, and nothing else.
using Mark = std::array<uint8_t, 32>;

struct Known {
  Mark mark;
  std::shared_ptr<SentSpis> sent;
};

constexpr size_t kMaxKnown = 1024;  // secrets of more than a year at the default rotation

}  // namespace

std::shared_ptr<SentSpis> sent_spis_of(const Secret& secret) {
  static constexpr uint8_t kSalt[] = "overlane sent spis";
  static std::mutex mutex;
  static std::vector<Known> known;  // the oldest first
  Mark mark;
  if (!hkdf_sha256(secret.data(), secret.length(), kSalt, sizeof kSalt, nullptr, 0, mark.data(), mark.size())) {
    return nullptr;
  }
  const std::lock_guard lock(mutex);
  for (const Known& each : known) {
    if (each.mark == mark) return each.sent;
  }
  const auto idle =
      std::find_if(known.begin(), known.end(), [](const Known& each) { return each.sent.use_count() == 1; });
  if (known.size() >= kMaxKnown && idle != known.end()) known.erase(idle);
  return known.emplace_back(Known{mark, std::make_shared<SentSpis>()}).sent;
}

}  // namespace overlane
