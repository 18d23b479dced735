#include "crypto/sa.h"

#include <time.h>

#include <algorithm>
#include <cstring>

#include "core/bytes.h"
#include "crypto/kdf.h"
#include "wire/esp.h"

namespace overlane {

uint64_t wall_clock() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

namespace {

constexpr int kMaxDraws = 1000;  // of 2^24 SPIs: more than half of them are taken when this does not do

// The first byte says which secret the receiver should try.
bool draw_spi(const KeyringKey& key, const IpAddress& local, const IpAddress& peer, uint32_t& spi) {
  uint8_t hint;
  if (!spi_hint(*key.secret, local, peer, hint)) return false;
  for (int i = 0; i < kMaxDraws; ++i) {
    if (!random_bytes(&spi, sizeof spi)) return false;
    spi = (spi & 0xffffff) | uint32_t{hint} << 24;
    if (spi >= esp::kMinSpi && key.sent->claim(spi)) return true;
  }
  return false;
}

}  // namespace

OutboundSa::State OutboundSa::open(const Keyring& keyring, const IpAddress& local, const IpAddress& peer,
                                   uint64_t clock) {
  close();
  const KeyringKey* key = keyring.sends();
  if (key == nullptr) return State::no_key;
  const uint32_t key_length = keyring.options.key_bits / 8;
  limit_ = std::min(keyring.options.packet_limit, kMaxPackets);
  born_ = clock;
  if (keyring.strong()) {
    SaMaterial material;
    if (!draw_spi(*key, local, peer, spi_) ||
        !derive_sa(*key->secret, keyring.options.key_bits, local, peer, spi_, material)) {
      return State::engine_failed;
    }
    std::memcpy(salt_, material.salt, sizeof salt_);
    iv_mask_ = material.iv_mask;
    left_ = limit_;
    aead_ = make_aead(keyring.options.engine, material.key, key_length, keyring.icv_length());
  } else {
    spi_ = docker_spi(local, peer, key->id);
    store_be32(salt_, spi_);
    shared_ = key->sent->numbers_of(spi_);
    if (shared_) aead_ = make_aead(keyring.options.engine, key->secret->data(), key_length, keyring.icv_length());
  }
  return aead_ ? State::ready : State::engine_failed;
}

bool OutboundSa::take_more() {
  if (!shared_) return false;
  const uint64_t used = shared_->used.fetch_add(kPacketsAhead, std::memory_order_relaxed);
  if (used >= limit_) {
    shared_->used.fetch_sub(kPacketsAhead, std::memory_order_relaxed);  // or asking for ever would wrap it
    return false;
  }
  near_limit_ = used >= limit_ / 8 * 7;
  left_ = std::min(kPacketsAhead, limit_ - used);
  sequence_ = used;
  iv_ = shared_->first_iv + used;
  return true;
}

bool open_inbound(const Keyring& keyring, const KeyringKey& key, const IpAddress& local, const IpAddress& peer,
                  uint32_t spi, InboundSa& sa) {
  const uint32_t key_length = keyring.options.key_bits / 8;
  sa.key_id = key.id;
  sa.spi = spi;
  sa.extended = keyring.strong();
  sa.icv_length = static_cast<uint8_t>(keyring.icv_length());
  if (!keyring.strong()) {
    store_be32(sa.salt, spi);
    sa.aead = make_aead(keyring.options.engine, key.secret->data(), key_length, keyring.icv_length());
    return sa.aead != nullptr;
  }
  SaMaterial material;
  if (!derive_sa(*key.secret, keyring.options.key_bits, peer, local, spi, material)) return false;
  std::memcpy(sa.salt, material.salt, sizeof sa.salt);
  sa.iv_mask = material.iv_mask;
  sa.aead = make_aead(keyring.options.engine, material.key, key_length, keyring.icv_length());
  return sa.aead != nullptr;
}

}  // namespace overlane
