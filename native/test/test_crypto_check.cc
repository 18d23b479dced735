#include "crypto/aead_check.h"
#include "test/crypto_lab.h"

using namespace overlane;
using namespace overlane::test;

namespace {

// AES-GCM but for one thing.
class Broken : public Aead {
 public:
  Broken(std::unique_ptr<Aead> right, int fault) : right_(std::move(right)), fault_(fault) {}
  bool seal(AeadJob* jobs, uint32_t count) override {
    if (fault_ == 0 || !right_->seal(jobs, count)) return false;
    if (fault_ == 1) jobs[0].out[0] ^= 1;
    if (fault_ == 2) jobs[0].tag[7] ^= 1;
    if (fault_ == 3 && jobs[0].length == 257) jobs[0].out[256] ^= 1;
    return true;
  }
  void open(AeadJob* jobs, uint32_t count) override {
    right_->open(jobs, count);
    if (fault_ == 4) jobs[0].good = true;
    if (fault_ == 5) jobs[0].out[0] ^= 1;
  }

 private:
  std::unique_ptr<Aead> right_;
  const int fault_;
};

}  // namespace

TEST("crypto: a library that computes something else is not used") {
  for (int fault = 0; fault < 6; ++fault) {
    const AeadMaker broken = [fault](auto key, auto key_length, auto tag_length) -> std::unique_ptr<Aead> {
      return std::make_unique<Broken>(make_openssl_aead(key, key_length, tag_length), fault);
    };
    CHECK_EQ(check_known_answers(broken) == nullptr, fault == 3);
    if (fault == 3) CHECK(check_same(broken, make_openssl_aead) != nullptr);
  }
  CHECK(check_known_answers(make_openssl_aead) == nullptr);
  CHECK(check_same(make_openssl_aead, make_openssl_aead) == nullptr);
  const AeadMaker none = [](auto, auto, auto) { return nullptr; };
  CHECK(check_known_answers(none) != nullptr && check_same(none, none) != nullptr);
}
