// Where the keys of security associations come from: HKDF-SHA256 (RFC 5869) of a shared secret; and what their SPIs
// are.
#pragma once

#include <cstdint>

#include "core/ip_address.h"
#include "crypto/secret.h"

namespace overlane {

inline constexpr uint32_t kMaxHkdfInfo = 256;  // bytes

// RFC 5869; length: at most 255 * 32; info: at most kMaxHkdfInfo. False: beyond these, or the library failed.
bool hkdf_sha256(const uint8_t* secret, uint32_t secret_length, const uint8_t* salt, uint32_t salt_length,
                 const uint8_t* info, uint32_t info_length, uint8_t* out, uint32_t length);

struct SaMaterial {
  uint8_t key[32];  // key_bits of it
  uint8_t salt[4];
  uint64_t iv_mask;
  ~SaMaterial();  // wipes
};

// Of the SA that `source` sends to `destination` with (profile `strong`). key_bits: 128 or 256.
bool derive_sa(const Secret& secret, uint32_t key_bits, const IpAddress& source, const IpAddress& destination,
               uint32_t spi, SaMaterial& material);

// The first byte of every SPI of such SAs: which secret it may be.
bool spi_hint(const Secret& secret, const IpAddress& source, const IpAddress& destination, uint8_t& hint);

// The SPI of Docker Swarm's encrypted overlays: FNV-1a over the addresses and the key's tag.
uint32_t docker_spi(const IpAddress& source, const IpAddress& destination, uint32_t tag);

// For SPIs and IVs. False: there are none to be had.
bool random_bytes(void* out, uint32_t length);

}  // namespace overlane
