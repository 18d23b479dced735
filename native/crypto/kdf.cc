#include "crypto/kdf.h"

#include <algorithm>
#include <climits>
#include <cstring>

#include "crypto/openssl.h"
#include "crypto/wipe.h"

namespace overlane {

namespace {

constexpr uint32_t kHash = 32;  // bytes of SHA-256

constexpr char kStrongSalt[] = "overlane esp strong 1";
constexpr char kHintSalt[] = "overlane esp hint 1";

// Bytes that are gone with the scope.
template <uint32_t size>
struct Scratch {
  uint8_t bytes[size];
  ~Scratch() { wipe(bytes, size); }
};

bool hmac(const OpenSsl& ssl, const uint8_t* key, uint32_t key_length, const uint8_t* data, uint32_t length,
          uint8_t* out) {
  static constexpr uint8_t kNone = 0;  // an empty key or text still needs an address
  unsigned int written = 0;
  return key_length <= INT_MAX &&
         ssl.hmac(ssl.sha256(), key == nullptr ? &kNone : key, static_cast<int>(key_length),
                  data == nullptr ? &kNone : data, length, out, &written) != nullptr &&
         written == kHash;
}

// 16 bytes, IPv4 as v4-mapped.
uint8_t* put(uint8_t* to, const IpAddress& address) {
  store(to, address.high);
  store(to + 8, address.low);
  return to + 16;
}

uint8_t* put_big(uint8_t* to, uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) to[i] = static_cast<uint8_t>(value >> 8 * (bytes - 1 - i));
  return to + bytes;
}

uint32_t fnv1a(uint32_t hash, const uint8_t* bytes, size_t length) {
  for (size_t i = 0; i < length; ++i) hash = (hash ^ bytes[i]) * 16777619;
  return hash;
}

template <size_t salt_size>
bool derive(const Secret& secret, const char (&salt)[salt_size], const uint8_t* info, uint32_t info_length,
            uint8_t* out, uint32_t length) {
  return hkdf_sha256(secret.data(), secret.length(), reinterpret_cast<const uint8_t*>(salt), salt_size - 1, info,
                     info_length, out, length);
}

}  // namespace

bool hkdf_sha256(const uint8_t* secret, uint32_t secret_length, const uint8_t* salt, uint32_t salt_length,
                 const uint8_t* info, uint32_t info_length, uint8_t* out, uint32_t length) {
  const OpenSsl* ssl = openssl();
  if (ssl == nullptr || info_length > kMaxHkdfInfo || length > 255 * kHash) return false;
  Scratch<kHash> prk;
  if (!hmac(*ssl, salt, salt_length, secret, secret_length, prk.bytes)) return false;
  Scratch<kHash + kMaxHkdfInfo + 1> text;  // the block before, info, and the block's number
  Scratch<kHash> block;
  uint32_t before = 0;
  for (uint32_t done = 0, number = 1; done < length; ++number) {
    if (info_length != 0) std::memcpy(text.bytes + before, info, info_length);
    text.bytes[before + info_length] = static_cast<uint8_t>(number);
    if (!hmac(*ssl, prk.bytes, kHash, text.bytes, before + info_length + 1, block.bytes)) {
      wipe(out, length);
      return false;
    }
    const uint32_t part = std::min(kHash, length - done);
    std::memcpy(out + done, block.bytes, part);
    done += part;
    before = kHash;
    std::memcpy(text.bytes, block.bytes, kHash);
  }
  return true;
}

SaMaterial::~SaMaterial() {
  wipe(this, sizeof *this);
}

bool derive_sa(const Secret& secret, uint32_t key_bits, const IpAddress& source, const IpAddress& destination,
               uint32_t spi, SaMaterial& material) {
  if (key_bits != 128 && key_bits != 256) return false;
  uint8_t info[16 + 16 + 4 + 2];
  put_big(put_big(put(put(info, source), destination), spi, 4), key_bits, 2);
  const uint32_t key_length = key_bits / 8;
  Scratch<32 + 4 + 8> all;
  if (!derive(secret, kStrongSalt, info, sizeof info, all.bytes, key_length + 4 + 8)) return false;
  std::memset(material.key, 0, sizeof material.key);
  std::memcpy(material.key, all.bytes, key_length);
  std::memcpy(material.salt, all.bytes + key_length, 4);
  material.iv_mask = 0;
  for (uint32_t i = 0; i < 8; ++i) material.iv_mask = material.iv_mask << 8 | all.bytes[key_length + 4 + i];
  return true;
}

bool spi_hint(const Secret& secret, const IpAddress& source, const IpAddress& destination, uint8_t& hint) {
  uint8_t info[16 + 16];
  put(put(info, source), destination);
  return derive(secret, kHintSalt, info, sizeof info, &hint, 1);
}

uint32_t docker_spi(const IpAddress& source, const IpAddress& destination, uint32_t tag) {
  uint8_t bytes[16 + 4 + 16];
  put(put_big(put(bytes, source), tag, 4), destination);
  return fnv1a(2166136261, bytes, sizeof bytes);
}

bool random_bytes(void* out, uint32_t length) {
  const OpenSsl* ssl = openssl();
  if (ssl == nullptr || length > INT_MAX) return false;
  if (ssl->rand_bytes(static_cast<unsigned char*>(out), static_cast<int>(length)) == 1) return true;
  ssl->clear_error();
  return false;
}

}  // namespace overlane
