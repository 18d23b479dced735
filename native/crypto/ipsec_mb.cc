#include <dlfcn.h>

#include <algorithm>
#include <cstring>

#include "crypto/aead_check.h"
#include "crypto/cpu.h"
#include "crypto/engines.h"
#include "crypto/ipsec_mb_room.h"
#include "crypto/openssl.h"

namespace overlane {

namespace {

constexpr char kLibrary[] = "libIPSec_MB.so.1";

struct Kind {
  const char* name;
  uint32_t features;
};

// In the library's own order of preference; not every version has all of them.
constexpr Kind kKinds[] = {
    {"vaes_avx512", kCpuAes | kCpuAvx | kCpuAvx2 | kCpuAvx512 | kCpuVaes},
    {"vaes_avx2", kCpuAes | kCpuAvx | kCpuAvx2 | kCpuVaes},
    {"avx512", kCpuAes | kCpuAvx | kCpuAvx2 | kCpuAvx512},
    {"avx_gen4", kCpuAes | kCpuAvx | kCpuAvx2},
    {"avx_gen2", kCpuAes | kCpuAvx},
    {"sse", kCpuAes},
};

template <typename F>
bool find(void* library, const std::string& name, F& function) {
  function = reinterpret_cast<F>(dlsym(library, name.c_str()));
  return function != nullptr;
}

bool find_gcm(void* library, const char* bits, const char* kind, IpsecMbGcm& gcm) {
  const std::string end = std::string(bits) + "_" + kind;
  return find(library, "aes_gcm_pre_" + end, gcm.expand) && find(library, "aes_gcm_enc_" + end, gcm.seal) &&
         find(library, "aes_gcm_dec_" + end, gcm.open);
}

// Whether keys and contexts of this library fit into what we give them, with room to spare.
bool fits(const IpsecMbGcm& gcm) {
  constexpr size_t kFar = 16384;
  constexpr uint8_t kMark = 0xa5;
  struct alignas(64) Room {
    uint8_t key[kFar], context[kFar];
  };
  const auto room = std::make_unique<Room>();
  std::memset(room.get(), kMark, sizeof(Room));
  uint8_t key[32] = {1}, data[300] = {}, aad[12] = {}, nonce[12] = {}, tag[16];
  gcm.expand(key, room->key);
  gcm.seal(room->key, room->context, data, data, sizeof data, nonce, aad, sizeof aad, tag, sizeof tag);
  gcm.open(room->key, room->context, data, data, sizeof data, nonce, aad, sizeof aad, tag, sizeof tag);
  const auto untouched = [](const uint8_t* from, const uint8_t* to) {
    return std::all_of(from, to, [](uint8_t byte) { return byte == kMark; });
  };
  return untouched(room->key + kIpsecMbKeyRoom - 64, room->key + kFar) &&
         untouched(room->context + kIpsecMbContextRoom - 64, room->context + kFar);
}

// nullptr, or why it is not to be trusted.
const char* trouble_of(const IpsecMbVariant& variant) {
  if (!fits(variant.aes128) || !fits(variant.aes256)) return "its structures are larger than expected";
  const AeadMaker make = [&variant](const uint8_t* key, uint32_t key_length, uint32_t tag_length) {
    return make_ipsec_mb_aead(variant, key, key_length, tag_length);
  };
  if (const char* wrong = check_known_answers(make)) return wrong;
  return check_same(make, make_openssl_aead);
}

void find_variants(void* library, IpsecMb& found) {
  const uint32_t features = cpu_features();
  for (const Kind& kind : kKinds) {
    IpsecMbVariant variant = {kind.name, {}, {}};
    if ((features & kind.features) != kind.features || !find_gcm(library, "128", kind.name, variant.aes128) ||
        !find_gcm(library, "256", kind.name, variant.aes256)) {
      continue;
    }
    found.variants.push_back(variant);
  }
  if (found.variants.empty()) found.why = "version " + found.version + " has nothing for this CPU";
}

// Only the one that is used: it takes some milliseconds.
void check_first(IpsecMb& found) {
  if (found.variants.empty()) return;
  const char* trouble = trouble_of(found.variants.front());
  if (trouble == nullptr) return;
  found.why = "version " + found.version + ", " + found.variants.front().name + ": " + trouble;
  found.variants.clear();
}

IpsecMb look() {
  IpsecMb found;
#if defined(__x86_64__)
  if (openssl(&found.why) == nullptr) return found;
  void* library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);  // for the life of the process
  if (library == nullptr) {
    const char* error = dlerror();
    found.why = std::string(error != nullptr ? error : kLibrary) + "; apt-get install libipsec-mb1";
    return found;
  }
  const char* (*version)() = nullptr;
  found.version = find(library, "imb_get_version_str", version) ? version() : "unknown";
  find_variants(library, found);
  check_first(found);
#else
  found.why = "it is for x86-64";
#endif
  return found;
}

}  // namespace

const IpsecMb& ipsec_mb() {
  static const IpsecMb found = look();
  return found;
}

}  // namespace overlane
