// The functions of OpenSSL's libcrypto that are used, found at run time: in the node binary, which exports its own, or
// in the system's library. Nothing is needed to build, and nothing is linked.
#pragma once

#include <cstddef>
#include <string>

namespace overlane {

// Types and constants as OpenSSL 1.1.1 and 3 have them.
struct OpenSsl {
  void* (*cipher_ctx_new)();
  void (*cipher_ctx_free)(void* ctx);
  int (*cipher_ctx_ctrl)(void* ctx, int type, int argument, void* pointer);
  const void* (*aes_128_gcm)();
  const void* (*aes_256_gcm)();
  int (*encrypt_init)(void* ctx, const void* type, void* engine, const unsigned char* key, const unsigned char* iv);
  int (*encrypt_update)(void* ctx, unsigned char* out, int* written, const unsigned char* in, int length);
  int (*encrypt_final)(void* ctx, unsigned char* out, int* written);
  int (*decrypt_init)(void* ctx, const void* type, void* engine, const unsigned char* key, const unsigned char* iv);
  int (*decrypt_update)(void* ctx, unsigned char* out, int* written, const unsigned char* in, int length);
  int (*decrypt_final)(void* ctx, unsigned char* out, int* written);
  unsigned char* (*hmac)(const void* digest, const void* key, int key_length, const unsigned char* data, size_t length,
                         unsigned char* out, unsigned int* written);
  const void* (*sha256)();
  int (*rand_bytes)(unsigned char* out, int length);
  int (*memory_compare)(const void* a, const void* b, size_t length);  // in constant time
  const char* (*version)(int what);
  void (*clear_error)();
  std::string from;  // where they were found: `this process`, or the library's name
};

// Found once; any thread. nullptr: there is none, and `why`, unless null, says so.
const OpenSsl* openssl(std::string* why = nullptr);

}  // namespace overlane
