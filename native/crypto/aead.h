// AES-GCM as ESP uses it (RFC 4106): the ciphers are those of libraries, behind one interface.
#pragma once

#include <cstdint>
#include <memory>

namespace overlane {

enum class AeadEngine : uint8_t {
  openssl,   // of the node binary, or the system's libcrypto
  ipsec_mb,  // Intel's library, where it is installed
  null,      // no cipher at all: for research
};

struct AeadJob {
  const uint8_t* in;
  uint8_t* out;  // `in` itself, or memory that does not overlap it
  uint32_t length;
  uint8_t aad_length;  // 8; 12 with extended sequence numbers
  bool good;           // set by open(): the tag is right
  uint8_t aad[12];
  uint8_t nonce[12];
  uint8_t* tag;
};

// A key in use by one thread.
class Aead {
 public:
  virtual ~Aead() = default;
  // Encrypts, and writes the tags. False: the library failed, and nothing may be sent.
  virtual bool seal(AeadJob* jobs, uint32_t count) = 0;
  // Decrypts; what is not `good` is no plaintext of anybody's. Tags are compared in constant time.
  virtual void open(AeadJob* jobs, uint32_t count) = 0;
};

// key_length: 16 or 32 bytes; tag_length: 8 or 16. nullptr: the engine cannot be used here.
std::unique_ptr<Aead> make_aead(AeadEngine engine, const uint8_t* key, uint32_t key_length, uint32_t tag_length);

}  // namespace overlane
