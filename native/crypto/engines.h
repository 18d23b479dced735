// What make_aead() chooses between. Key and tag lengths have been checked there.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "core/platform.h"
#include "crypto/aead.h"

namespace overlane {

// While one packet is at work the next one's bytes come nearer: that halves the time of those that were in memory only,
// and costs nothing that can be measured for those that were near. Inlined, or GCC takes it for a function without
// effects and leaves it out.
OVERLANE_INLINE void prefetch_next(const AeadJob* jobs, uint32_t next, uint32_t count) {
  constexpr uint32_t kAhead = 1536;  // bytes
  if (next >= count) return;
  const uint32_t length = std::min(jobs[next].length, kAhead);
  for (uint32_t at = 0; at < length; at += kCacheLine) prefetch_read(jobs[next].in + at);
}

std::unique_ptr<Aead> make_openssl_aead(const uint8_t* key, uint32_t key_length, uint32_t tag_length);
std::unique_ptr<Aead> make_null_aead(uint32_t tag_length);

// Functions of Intel's library for one kind of CPU. Its structures are opaque here.
struct IpsecMbGcm {
  using Crypt = void (*)(const void* key, void* context, uint8_t* out, const uint8_t* in, uint64_t length,
                         const uint8_t* nonce, const uint8_t* aad, uint64_t aad_length, uint8_t* tag,
                         uint64_t tag_length);
  void (*expand)(const void* key, void* expanded);
  Crypt seal;
  Crypt open;  // computes the tag, and leaves it to us to compare
};

struct IpsecMbVariant {
  const char* name;  // as in the names of its functions
  IpsecMbGcm aes128, aes256;
};

struct IpsecMb {
  std::vector<IpsecMbVariant> variants;  // that this CPU can run; the fastest first, and that one checked
  std::string version;
  std::string why;  // there are no variants
};

// Loaded and checked once; any thread.
const IpsecMb& ipsec_mb();
std::unique_ptr<Aead> make_ipsec_mb_aead(const IpsecMbVariant& variant, const uint8_t* key, uint32_t key_length,
                                         uint32_t tag_length);

}  // namespace overlane
