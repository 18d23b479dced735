#include "crypto/openssl.h"

#include <dlfcn.h>

namespace overlane {

namespace {

template <typename F>
bool find(void* library, const char* name, F& function, const char*& missing) {
  function = reinterpret_cast<F>(dlsym(library, name));
  if (function == nullptr) missing = name;
  return function != nullptr;
}

// `missing`: the first name that is not there.
bool find_all(void* library, OpenSsl& ssl, const char*& missing) {
  return find(library, "EVP_CIPHER_CTX_new", ssl.cipher_ctx_new, missing) &&
         find(library, "EVP_CIPHER_CTX_free", ssl.cipher_ctx_free, missing) &&
         find(library, "EVP_CIPHER_CTX_ctrl", ssl.cipher_ctx_ctrl, missing) &&
         find(library, "EVP_aes_128_gcm", ssl.aes_128_gcm, missing) &&
         find(library, "EVP_aes_256_gcm", ssl.aes_256_gcm, missing) &&
         find(library, "EVP_EncryptInit_ex", ssl.encrypt_init, missing) &&
         find(library, "EVP_EncryptUpdate", ssl.encrypt_update, missing) &&
         find(library, "EVP_EncryptFinal_ex", ssl.encrypt_final, missing) &&
         find(library, "EVP_DecryptInit_ex", ssl.decrypt_init, missing) &&
         find(library, "EVP_DecryptUpdate", ssl.decrypt_update, missing) &&
         find(library, "EVP_DecryptFinal_ex", ssl.decrypt_final, missing) && find(library, "HMAC", ssl.hmac, missing) &&
         find(library, "EVP_sha256", ssl.sha256, missing) && find(library, "RAND_bytes", ssl.rand_bytes, missing) &&
         find(library, "CRYPTO_memcmp", ssl.memory_compare, missing) &&
         find(library, "OpenSSL_version", ssl.version, missing) &&
         find(library, "ERR_clear_error", ssl.clear_error, missing);
}

struct Found {
  OpenSsl ssl;
  bool usable = false;
  std::string why;
};

Found look() {
  Found found;
  const char* missing = nullptr;
  if (find_all(RTLD_DEFAULT, found.ssl, missing)) {
    found.ssl.from = "this process";
    found.usable = true;
    return found;
  }
  found.why = "neither node nor a libcrypto.so.3 or libcrypto.so.1.1 has it; apt-get install libssl3";
  for (const char* name : {"libcrypto.so.3", "libcrypto.so.1.1"}) {
    void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) continue;
    if (find_all(library, found.ssl, missing)) {
      found.ssl.from = name;
      found.usable = true;
      return found;
    }
    found.why = std::string(name) + " has no " + missing;
    dlclose(library);
  }
  return found;
}

}  // namespace

const OpenSsl* openssl(std::string* why) {
  static const Found found = look();
  if (!found.usable && why != nullptr) *why = found.why;
  return found.usable ? &found.ssl : nullptr;
}

}  // namespace overlane
