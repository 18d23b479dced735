// Security associations (RFC 4303) of one worker: their keys, packet numbers and windows.
#pragma once

#include "core/ip_address.h"
#include "core/time.h"
#include "crypto/keyring.h"
#include "crypto/replay.h"

namespace overlane {

inline constexpr uint64_t kPacketsAhead = 64;  // numbers that a worker takes from SharedNumbers at a time

// What makes a packet of an SA different from all others.
struct PacketNumber {
  uint64_t sequence;
  uint64_t iv;
};

// Milliseconds make no difference: read once a burst. Nanoseconds since 1970, whatever the dataplane's clock says.
uint64_t wall_clock();

class OutboundSa {
 public:
  enum class State : uint8_t { ready, no_key, engine_failed };
  static constexpr uint64_t kMaxPackets = uint64_t{1} << 32;
  static constexpr uint64_t kSpareNumbers = 1024;
  static constexpr Nanos kLifetime = Nanos{3600} * 1'000'000'000;  // profile strong; then there is another one

  // Makes it with the key to send with. clock: wall_clock().
  State open(const Keyring& keyring, const IpAddress& local, const IpAddress& peer, uint64_t clock);
  void close() { *this = {}; }
  bool is_open() const { return aead_ != nullptr; }
  // An SA that is to be replaced by a new one, which nobody has to agree to; before a super-frame takes its last
  // number.
  bool is_worn(uint64_t clock) const {
    return !shared_ && (left_ < kSpareNumbers || clock - born_ > uint64_t{kLifetime});
  }

  // The number of the next packet; false: there is none left.
  OVERLANE_INLINE bool next(uint64_t clock, PacketNumber& number) {
    if (OVERLANE_UNLIKELY(left_ == 0) && !take_more()) return false;
    --left_;
    number.sequence = ++sequence_;
    iv_ = shared_ || iv_ >= clock ? iv_ + 1 : clock;
    number.iv = iv_ + iv_mask_;
    return true;
  }
  // Most of the packets that a shared key permits are used: it is time for the next.
  bool is_near_limit() const { return near_limit_; }

  Aead& aead() { return *aead_; }
  uint32_t spi() const { return spi_; }
  const uint8_t* salt() const { return salt_; }
  bool extended() const { return !shared_; }  // sequence numbers

 private:
  bool take_more();

  std::unique_ptr<Aead> aead_;
  std::shared_ptr<SharedNumbers> shared_;  // docker only
  uint32_t spi_ = 0;
  uint8_t salt_[4] = {};
  uint64_t sequence_ = 0;  // the last
  uint64_t iv_ = 0;        // the last, without the mask
  uint64_t iv_mask_ = 0;
  uint64_t left_ = 0;  // of the numbers that we have
  uint64_t limit_ = 0;
  uint64_t born_ = 0;
  bool near_limit_ = false;
};

struct InboundSa {
  uint32_t association = 0;
  uint32_t key_id = 0;
  uint32_t spi = 0;
  bool extended = false;   // sequence numbers, and a window for them
  uint8_t icv_length = 0;  // bytes
  uint8_t salt[4] = {};
  uint64_t iv_mask = 0;
  uint64_t newest_iv = 0;  // without the mask: in profile strong, a time
  uint64_t floor = 0;      // likewise: nothing as old is taken, as the window may have begun after it
  uint64_t heard = 0;      // wall clock of the last packet
  std::unique_ptr<Aead> aead;
  ReplayWindow window;
};

// The SA that `peer` sends to `local` with under this SPI, if the key is this one. False: the engine failed.
bool open_inbound(const Keyring& keyring, const KeyringKey& key, const IpAddress& local, const IpAddress& peer,
                  uint32_t spi, InboundSa& sa);

}  // namespace overlane
