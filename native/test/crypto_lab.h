// Engines side by side, and one packet through them, for the tests of native/crypto.
#pragma once

#include <algorithm>
#include <functional>
#include <iostream>
#include <memory>
#include <string>

#include "crypto/engine.h"
#include "crypto/engines.h"
#include "test/check.h"
#include "test/frames.h"

namespace overlane::test {

struct Engine {
  std::string name;
  std::function<std::unique_ptr<Aead>(const uint8_t* key, uint32_t key_length, uint32_t tag_length)> make;
};

// OpenSSL, and Intel's library once for each kind of CPU that this one can be.
inline const std::vector<Engine>& ciphers() {
  static const std::vector<Engine> all = [] {
    std::vector<Engine> found = {{"openssl", make_openssl_aead}};
    for (const IpsecMbVariant& variant : ipsec_mb().variants) {
      found.push_back({"ipsec-mb " + std::string(variant.name), [&variant](auto key, auto length, auto tag) {
                         return make_ipsec_mb_aead(variant, key, length, tag);
                       }});
    }
    if (found.size() == 1) std::cout << "skip  ipsec-mb (needs libipsec-mb1): " << ipsec_mb().why << '\n';
    return found;
  }();
  return all;
}

inline Bytes first(const Bytes& bytes, long count) {
  return Bytes(bytes.begin(), bytes.begin() + count);
}

struct Sealed {
  Bytes data, tag;
  bool operator==(const Sealed&) const = default;
};

inline AeadJob job_of(const Bytes& nonce, const Bytes& aad, const uint8_t* in, uint8_t* out, size_t length,
                      uint8_t* tag) {
  AeadJob job = {in, out, static_cast<uint32_t>(length), static_cast<uint8_t>(aad.size()), false, {}, {}, tag};
  std::copy(nonce.begin(), nonce.end(), job.nonce);
  std::copy(aad.begin(), aad.end(), job.aad);
  return job;
}

inline Sealed seal(Aead& aead, const Bytes& nonce, const Bytes& aad, const Bytes& plain, size_t tag_length) {
  Sealed out = {Bytes(plain.size()), Bytes(tag_length)};
  AeadJob job = job_of(nonce, aad, plain.data(), out.data.data(), plain.size(), out.tag.data());
  CHECK(aead.seal(&job, 1));
  return out;
}

// What was sealed, or false.
inline bool open(Aead& aead, const Bytes& nonce, const Bytes& aad, Sealed sealed, Bytes* plain = nullptr) {
  Bytes out(sealed.data.size());
  AeadJob job = job_of(nonce, aad, sealed.data.data(), out.data(), out.size(), sealed.tag.data());
  aead.open(&job, 1);
  if (plain != nullptr) *plain = out;
  return job.good;
}

inline std::unique_ptr<Aead> make(const Engine& engine, const Bytes& key, size_t tag_length) {
  auto aead = engine.make(key.data(), static_cast<uint32_t>(key.size()), static_cast<uint32_t>(tag_length));
  CHECK(aead != nullptr);
  return aead;
}

}  // namespace overlane::test
