#include "crypto/engines.h"
#include "crypto/openssl.h"

namespace overlane {

namespace {

constexpr int kGetTag = 0x10, kSetTag = 0x11;  // EVP_CTRL_AEAD_GET_TAG, EVP_CTRL_AEAD_SET_TAG

// One context for both directions: its key is set once, and a packet brings its nonce and its direction.
class OpenSslAead final : public Aead {
 public:
  OpenSslAead(const OpenSsl& ssl, void* context, uint32_t tag_length)
      : ssl_(ssl), context_(context), tag_length_(static_cast<int>(tag_length)) {}
  ~OpenSslAead() override { ssl_.cipher_ctx_free(context_); }  // wipes

  bool seal(AeadJob* jobs, uint32_t count) override {
    for (uint32_t i = 0; i < count; ++i) {
      prefetch_next(jobs, i + 1, count);
      if (!seal_one(jobs[i])) return ssl_.clear_error(), false;
    }
    return true;
  }

  void open(AeadJob* jobs, uint32_t count) override {
    bool all = true;
    for (uint32_t i = 0; i < count; ++i) {
      prefetch_next(jobs, i + 1, count);
      all &= jobs[i].good = open_one(jobs[i]);
    }
    if (!all) ssl_.clear_error();  // or what was refused adds up in the thread's queue
  }

 private:
  bool seal_one(AeadJob& job) {
    int n = 0;
    uint8_t rest[16];  // GCM leaves none
    return ssl_.encrypt_init(context_, nullptr, nullptr, nullptr, job.nonce) == 1 &&
           (job.aad_length == 0 || ssl_.encrypt_update(context_, nullptr, &n, job.aad, job.aad_length) == 1) &&
           (job.length == 0 || ssl_.encrypt_update(context_, job.out, &n, job.in, static_cast<int>(job.length)) == 1) &&
           ssl_.encrypt_final(context_, rest, &n) == 1 &&
           ssl_.cipher_ctx_ctrl(context_, kGetTag, tag_length_, job.tag) == 1;
  }

  bool open_one(AeadJob& job) {
    int n = 0;
    uint8_t rest[16];
    return ssl_.decrypt_init(context_, nullptr, nullptr, nullptr, job.nonce) == 1 &&
           ssl_.cipher_ctx_ctrl(context_, kSetTag, tag_length_, job.tag) == 1 &&
           (job.aad_length == 0 || ssl_.decrypt_update(context_, nullptr, &n, job.aad, job.aad_length) == 1) &&
           (job.length == 0 || ssl_.decrypt_update(context_, job.out, &n, job.in, static_cast<int>(job.length)) == 1) &&
           ssl_.decrypt_final(context_, rest, &n) == 1;
  }

  const OpenSsl& ssl_;
  void* const context_;
  const int tag_length_;
};

}  // namespace

std::unique_ptr<Aead> make_openssl_aead(const uint8_t* key, uint32_t key_length, uint32_t tag_length) {
  const OpenSsl* ssl = openssl();
  if (ssl == nullptr) return nullptr;
  void* context = ssl->cipher_ctx_new();
  if (context == nullptr) return nullptr;
  const void* cipher = key_length == 16 ? ssl->aes_128_gcm() : ssl->aes_256_gcm();
  if (ssl->encrypt_init(context, cipher, nullptr, key, nullptr) != 1) {
    ssl->cipher_ctx_free(context);
    ssl->clear_error();
    return nullptr;
  }
  return std::make_unique<OpenSslAead>(*ssl, context, tag_length);
}

}  // namespace overlane
