// The keys that the members of a group share, and how they are used.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "core/platform.h"
#include "crypto/aead.h"
#include "crypto/secret.h"

namespace overlane {

inline constexpr uint16_t kNoKeyring = 0;  // they count from 1

enum class EspProfile : uint8_t {
  strong,  // SAs of their own for every sender, with keys derived from the secret
  docker,  // the secret is the key of every SA, as in Docker Swarm's encrypted overlays
};

// Hands out the packet numbers of an SA that several workers send with. Its IVs begin at a random number, so that
// those of the time before a restart do not come again.
struct SharedNumbers {
  explicit SharedNumbers(uint64_t start) : first_iv(start) {}
  const uint64_t first_iv;
  alignas(kCacheLine) std::atomic<uint64_t> used{0};
};

// The SPIs that this process has sent with under one secret, in any worker. Two SAs of the same SPI have the same key,
// and must not use a number twice.
class SentSpis {
 public:
  // Profile strong, whose SPIs are drawn: false when there is an SA with that one, or was.
  bool claim(uint32_t spi);
  // Profile docker, where all workers send with the same SPI. nullptr: there are no random bytes to be had.
  std::shared_ptr<SharedNumbers> numbers_of(uint32_t spi);

 private:
  std::mutex mutex_;
  std::set<uint32_t> claimed_;
  std::map<uint32_t, std::shared_ptr<SharedNumbers>> numbers_;
};

// Those of a secret, for as long as the process lives: a ring that is closed and opened again, or another one with that
// secret, goes on where it was. nullptr: the library failed.
std::shared_ptr<SentSpis> sent_spis_of(const Secret& secret);

struct KeyringKey {
  uint32_t id = 0;  // the tag, with Docker
  SharedSecret secret;
  std::shared_ptr<SentSpis> sent;
};

struct KeyringOptions {
  EspProfile profile = EspProfile::strong;
  uint32_t key_bits = 128;
  AeadEngine engine = AeadEngine::openssl;
  uint64_t packet_limit = uint64_t{1} << 32;  // packets that an SA seals at most
};

struct Keyring {
  static constexpr uint32_t kMaxKeys = 3;  // previous, current, next

  bool used = false;
  KeyringOptions options;
  std::vector<KeyringKey> keys;
  int32_t send = -1;  // index of the key to send with; -1: none

  bool strong() const { return options.profile == EspProfile::strong; }
  uint32_t icv_length() const { return strong() ? 16 : 8; }
  const KeyringKey* sends() const { return send < 0 ? nullptr : &keys[static_cast<size_t>(send)]; }
};

}  // namespace overlane
