#include <dlfcn.h>
#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "crypto/cpu.h"
#include "crypto/measure.h"
#include "crypto/openssl.h"
#include "test/crypto_lab.h"
#include "test/gcm_vectors.h"

using namespace overlane;
using namespace overlane::test;

namespace {

const Bytes kKey16 = hex("000102030405060708090a0b0c0d0e0f");
const Bytes kKey32 = join({kKey16, hex("f0e0d0c0b0a090807060504030201000")});
const Bytes kNonce = hex("cafebabe0123456789abcdef");
const Bytes kAad12 = hex("a1b2c3d40000000700000001");

void check_vector(const Engine& engine, const GcmVector& vector) {
  const Sealed sealed = {hex(vector.sealed), hex(vector.tag)};
  const auto aead = make(engine, hex(vector.key), sealed.tag.size());
  Bytes plain;
  CHECK_EQ(open(*aead, hex(vector.nonce), hex(vector.aad), sealed, &plain), vector.good);
  if (!vector.good) return;
  CHECK(plain == hex(vector.plain));
  CHECK(seal(*aead, hex(vector.nonce), hex(vector.aad), plain, sealed.tag.size()) == sealed);
}

Bytes random_bytes_of(std::mt19937& random, size_t length) {
  Bytes out(length);
  for (uint8_t& byte : out) byte = static_cast<uint8_t>(random());
  return out;
}

// `size` bytes between two pages that nobody may touch: at the end of the room, or at its start.
class Guarded {
 public:
  static constexpr size_t kPage = 4096;
  Guarded() : pages_(static_cast<uint8_t*>(mmap(nullptr, 3 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    mprotect(pages_ + kPage, kPage, PROT_READ | PROT_WRITE);
  }
  ~Guarded() { munmap(pages_, 3 * kPage); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  uint8_t* room(size_t size, bool at_end) { return pages_ + kPage + (at_end ? kPage - size : 0); }

 private:
  uint8_t* pages_;
};

}  // namespace

TEST("crypto: NIST's packets of AES-GCM, sealed and opened, or refused") {
  for (const Engine& engine : ciphers()) {
    for (const GcmVector& vector : kNistVectors) check_vector(engine, vector);
  }
}

TEST("crypto: published packets of ESP, with both kinds of sequence numbers") {
  for (const Engine& engine : ciphers()) {
    for (const GcmVector& vector : kEspVectors) {
      check_vector(engine, vector);
      GcmVector half = vector;  // the first half of a tag is the tag of 8 bytes (RFC 4106, section 6)
      const std::string tag = std::string(vector.tag).substr(0, 16);
      half.tag = tag.c_str();
      check_vector(engine, half);
    }
  }
}

TEST("crypto: all engines give the same bytes, in place and not, at any address") {
  std::mt19937 random(7);
  for (const Bytes& key : {kKey16, kKey32}) {
    for (size_t tag_length : {8u, 16u}) {
      std::vector<std::unique_ptr<Aead>> aeads;
      for (const Engine& engine : ciphers()) aeads.push_back(make(engine, key, tag_length));
      for (size_t length = 0; length <= 2000; length += length < 280 ? 1 : 1 + random() % 40) {
        const Bytes nonce = random_bytes_of(random, 12), plain = random_bytes_of(random, length);
        const Bytes aad = random_bytes_of(random, random() % 2 == 0 ? 8 : 12);
        const Sealed first = seal(*aeads[0], nonce, aad, plain, tag_length);
        for (const auto& aead : aeads) {
          const size_t shift = random() % 64;
          Bytes room(length + 64);
          std::copy(plain.begin(), plain.end(), room.begin() + static_cast<long>(shift));
          Bytes tag(tag_length);
          uint8_t* data = room.data() + shift;
          AeadJob job = job_of(nonce, aad, data, data, length, tag.data());
          CHECK(aead->seal(&job, 1));
          CHECK((Sealed{Bytes(data, data + length), tag} == first));
          Bytes back;
          CHECK(open(*aead, nonce, aad, first, &back) && back == plain);
          job.good = false;
          aead->open(&job, 1);
          CHECK(job.good && Bytes(data, data + length) == plain);
        }
      }
    }
  }
}

TEST("crypto: every changed bit of a packet is refused, and what follows is not") {
  Bytes plain(61);
  for (size_t i = 0; i < plain.size(); ++i) plain[i] = static_cast<uint8_t>(i);
  for (const Engine& engine : ciphers()) {
    for (const Bytes& key : {kKey16, kKey32}) {
      for (size_t tag_length : {8u, 16u}) {
        const auto aead = make(engine, key, tag_length);
        const Sealed good = seal(*aead, kNonce, kAad12, plain, tag_length);
        const auto flipped = [](Bytes bytes, size_t bit) {
          bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
          return bytes;
        };
        int accepted = 0;
        for (size_t bit = 0; bit < 8 * plain.size(); ++bit) {
          accepted += open(*aead, kNonce, kAad12, {flipped(good.data, bit), good.tag});
        }
        for (size_t bit = 0; bit < 8 * tag_length; ++bit) {
          accepted += open(*aead, kNonce, kAad12, {good.data, flipped(good.tag, bit)});
        }
        for (size_t bit = 0; bit < 96; ++bit) {
          accepted += open(*aead, flipped(kNonce, bit), kAad12, good);
          accepted += open(*aead, kNonce, flipped(kAad12, bit), good);
        }
        accepted += open(*aead, kNonce, first(kAad12, 8), good);
        accepted += open(*aead, kNonce, kAad12, {first(good.data, 60), good.tag});
        for (size_t bit = 0; bit < 8 * key.size(); ++bit) {
          accepted += open(*make(engine, flipped(key, bit), tag_length), kNonce, kAad12, good);
        }
        CHECK_EQ(accepted, 0);
        CHECK(open(*aead, kNonce, kAad12, good));
      }
    }
  }
}

TEST("crypto: a burst with wrong packets in it: each is judged by itself") {
  for (const Engine& engine : ciphers()) {
    const auto aead = make(engine, kKey16, 16);
    Bytes data[7], tags[7];
    AeadJob jobs[7];
    for (uint8_t i = 0; i < 7; ++i) {
      data[i] = Bytes(100 + 37 * i, i);
      tags[i] = Bytes(16);
      Bytes nonce = kNonce;
      nonce[11] = i;
      jobs[i] = job_of(nonce, kAad12, data[i].data(), data[i].data(), data[i].size(), tags[i].data());
    }
    CHECK(aead->seal(jobs, 7));
    CHECK(aead->seal(jobs, 0));
    tags[0][15] ^= 1;
    data[3][50] ^= 0x80;
    jobs[6].aad[11] ^= 1;
    aead->open(jobs, 7);
    for (uint8_t i = 0; i < 7; ++i) {
      CHECK_EQ(jobs[i].good, i != 0 && i != 3 && i != 6);
      if (jobs[i].good) CHECK(data[i] == Bytes(100 + 37 * i, i));
    }
  }
}

TEST("crypto: nothing beside a packet is read or written") {
  Guarded from, to, tags;
  for (const Engine& engine : ciphers()) {
    for (size_t tag_length : {8u, 16u}) {
      const auto aead = make(engine, kKey32, tag_length);
      for (size_t length = 0; length <= 1500; length += length < 300 ? 1 : 61) {
        for (bool at_end : {true, false}) {
          uint8_t* in = from.room(length, at_end);
          uint8_t* out = to.room(length, at_end);
          uint8_t* tag = tags.room(tag_length, at_end);
          std::memset(in, static_cast<int>(length), length);
          AeadJob job = job_of(kNonce, kAad12, in, out, length, tag);
          CHECK(aead->seal(&job, 1));
          job.in = out;
          aead->open(&job, 1);
          CHECK(job.good && std::memcmp(in, out, length) == 0);
        }
      }
    }
  }
}

TEST("crypto: refused packets leave no errors behind in the thread (needs OpenSSL 3)") {
  void* library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_NOLOAD);
  if (library == nullptr) {
    std::cout << "skip  the thread's errors (needs OpenSSL 3: apt-get install libssl3)\n";
    return;
  }
  const auto begin = reinterpret_cast<void (*)()>(dlsym(library, "ERR_new"));
  const auto set = reinterpret_cast<void (*)(int, int, const char*, ...)>(dlsym(library, "ERR_set_error"));
  const auto peek = reinterpret_cast<unsigned long (*)()>(dlsym(library, "ERR_peek_error"));
  const auto aead = make({"openssl", make_openssl_aead}, kKey16, 16);
  begin();  // some versions report a wrong tag so
  set(6, 1, nullptr);
  CHECK(peek() != 0);
  CHECK(!open(*aead, kNonce, kAad12, {Bytes(40), Bytes(16)}));
  CHECK_EQ(peek(), 0u);
  dlclose(library);
}

TEST("crypto: threads with a key each do not meet") {
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (uint8_t t = 0; t < 4; ++t) {
    threads.emplace_back([t, &wrong] {
      Bytes key = kKey16;
      key[0] = t;
      for (int round = 0; round < 50; ++round) {
        for (const Engine& engine : ciphers()) {
          const auto aead = engine.make(key.data(), 16, 16);
          Bytes data(500, t), tag(16);
          AeadJob job = job_of(kNonce, kAad12, data.data(), data.data(), data.size(), tag.data());
          wrong += !aead->seal(&job, 1) || data == Bytes(500, t);
          aead->open(&job, 1);
          wrong += !job.good || data != Bytes(500, t);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(wrong.load(), 0);
}

TEST("crypto: the null engine copies, and takes zeros for a tag only") {
  const auto aead = make_aead(AeadEngine::null, kKey16.data(), 16, 8);
  const Bytes plain = {1, 2, 3};
  Sealed sealed = seal(*aead, kNonce, kAad12, plain, 8);
  CHECK((sealed == Sealed{plain, Bytes(8)}));
  Bytes back;
  CHECK(open(*aead, kNonce, kAad12, sealed, &back) && back == plain);
  sealed.tag[7] = 1;
  CHECK(!open(*aead, kNonce, kAad12, sealed));
}

TEST("crypto: engines are listed with a reason, the best first, and refuse other lengths") {
  const auto& all = aead_engines();
  CHECK_EQ(all.size(), 2u);
  CHECK(all[0].engine == best_engine() && all[0].usable);  // OpenSSL at least
  const bool installed = dlopen("libIPSec_MB.so.1", RTLD_NOW) != nullptr;
  const EngineInfo& intel = all[all[0].engine != AeadEngine::ipsec_mb];
  CHECK_EQ(intel.usable, installed && (cpu_features() & kCpuAes) != 0);
  for (const EngineInfo& info : all) {
    CHECK(!info.detail.empty());
    CHECK_EQ(make_aead(info.engine, kKey16.data(), 16, 16) != nullptr, info.usable);
    CHECK_EQ(aead_ns(info.engine, 128, 64, true) > 0, info.usable);
    CHECK_EQ(aead_ns(info.engine, 256, 1400, false) > 0, info.usable);
  }
  for (AeadEngine engine : {AeadEngine::openssl, AeadEngine::ipsec_mb, AeadEngine::null}) {
    CHECK(make_aead(engine, kKey32.data(), 24, 16) == nullptr);
    CHECK(make_aead(engine, kKey32.data(), 0, 16) == nullptr);
    CHECK(make_aead(engine, kKey32.data(), 32, 12) == nullptr);
    CHECK(make_aead(engine, kKey32.data(), 32, 0) == nullptr);
  }
}
