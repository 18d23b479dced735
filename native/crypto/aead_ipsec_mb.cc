#include "crypto/engines.h"
#include "crypto/ipsec_mb_room.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"
#include "crypto/wipe.h"

namespace overlane {

namespace {

// One packet after the other, which keeps the CPU's ports full already.
class IpsecMbAead final : public Aead {
 public:
  IpsecMbAead(const IpsecMbGcm& gcm, const OpenSsl& ssl, const uint8_t* key, uint32_t tag_length)
      : gcm_(gcm), ssl_(ssl), tag_length_(tag_length), memory_(static_cast<uint8_t*>(take_secret(kRoom))) {
    gcm_.expand(key, memory_);
  }
  ~IpsecMbAead() override { give_secret(memory_, kRoom); }
  IpsecMbAead(const IpsecMbAead&) = delete;
  IpsecMbAead& operator=(const IpsecMbAead&) = delete;

  bool seal(AeadJob* jobs, uint32_t count) override {
    for (uint32_t i = 0; i < count; ++i) {
      AeadJob& job = jobs[i];
      prefetch_next(jobs, i + 1, count);
      gcm_.seal(memory_, memory_ + kIpsecMbKeyRoom, job.out, job.in, job.length, job.nonce, job.aad, job.aad_length,
                job.tag, tag_length_);
    }
    return true;
  }

  void open(AeadJob* jobs, uint32_t count) override {
    alignas(16) uint8_t tag[16];
    for (uint32_t i = 0; i < count; ++i) {
      AeadJob& job = jobs[i];
      prefetch_next(jobs, i + 1, count);
      gcm_.open(memory_, memory_ + kIpsecMbKeyRoom, job.out, job.in, job.length, job.nonce, job.aad, job.aad_length,
                tag, tag_length_);
      job.good = ssl_.memory_compare(tag, job.tag, tag_length_) == 0;
    }
    wipe(tag, sizeof tag);  // the right tag of a packet that was refused is a forgery's missing part
  }

 private:
  static constexpr size_t kRoom = kIpsecMbKeyRoom + kIpsecMbContextRoom;

  const IpsecMbGcm gcm_;
  const OpenSsl& ssl_;
  const uint32_t tag_length_;
  uint8_t* const memory_;  // the expanded key, then the context
};

}  // namespace

std::unique_ptr<Aead> make_ipsec_mb_aead(const IpsecMbVariant& variant, const uint8_t* key, uint32_t key_length,
                                         uint32_t tag_length) {
  const OpenSsl* ssl = openssl();
  if (ssl == nullptr) return nullptr;
  return std::make_unique<IpsecMbAead>(key_length == 16 ? variant.aes128 : variant.aes256, *ssl, key, tag_length);
}

}  // namespace overlane
