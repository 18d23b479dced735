// Where keys come from and where they lie: HKDF, SPIs, and the memory for secrets.
#include <cstring>
#include <fstream>
#include <sstream>

#include "crypto/kdf.h"
#include "crypto/wipe.h"
#include "test/crypto_lab.h"

using namespace overlane;
using namespace overlane::test;

namespace {

Bytes counting(uint8_t from, size_t count) {
  Bytes out(count);
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(from + i);
  return out;
}

Bytes hkdf(const Bytes& secret, const Bytes& salt, const Bytes& info, size_t length) {
  Bytes out(length);
  CHECK(hkdf_sha256(secret.data(), static_cast<uint32_t>(secret.size()), salt.data(),
                    static_cast<uint32_t>(salt.size()), info.data(), static_cast<uint32_t>(info.size()), out.data(),
                    static_cast<uint32_t>(length)));
  return out;
}

IpAddress v4(const std::string& bytes) {
  return IpAddress::v4(hex(bytes).data());
}
const IpAddress kV6 = IpAddress::v6(hex("20010db8 00000000 00000000 00000001").data());

Bytes text(const std::string& characters) {
  return Bytes(characters.begin(), characters.end());
}

// The mapping that holds an address: its bounds and flags, from /proc/self/smaps.
struct Mapping {
  uintptr_t from = 0, to = 0;
  std::string flags;
};

Mapping mapping_of(const void* address) {
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  std::ifstream maps("/proc/self/smaps");
  Mapping mapping;
  for (std::string line; std::getline(maps, line);) {
    unsigned long from = 0, to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) mapping = {from, to, {}};
    if (line.starts_with("VmFlags:") && wanted >= mapping.from && wanted < mapping.to) {
      mapping.flags = line.substr(8) + ' ';
      return mapping;
    }
  }
  return {};
}

// How often the bytes lie in the arena.
int copies_in_arena(const Bytes& bytes) {
  void* somewhere = take_secret(64);
  const Mapping mapping = mapping_of(somewhere);
  give_secret(somewhere, 64);
  int copies = 0;
  for (uintptr_t at = mapping.from; at + bytes.size() <= mapping.to; ++at) {
    copies += std::memcmp(reinterpret_cast<const void*>(at), bytes.data(), bytes.size()) == 0;
  }
  return copies;
}

}  // namespace

TEST("crypto: HKDF-SHA256 as RFC 5869, appendix A") {
  CHECK(hkdf(Bytes(22, 0x0b), counting(0, 13), counting(0xf0, 10), 42) ==
        hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"));
  CHECK(hkdf(counting(0, 80), counting(0x60, 80), counting(0xb0, 80), 82) ==
        hex("b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"));
  CHECK(hkdf(Bytes(22, 0x0b), {}, {}, 42) ==
        hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"));
}

TEST("crypto: HKDF gives 255 blocks and not a byte more") {
  const Bytes most = hkdf(counting(0, 32), {}, {}, 255 * 32);
  CHECK(first(most, 32) == hkdf(counting(0, 32), {}, {}, 32));
  Bytes out(255 * 32 + 1, 0x11);
  CHECK(!hkdf_sha256(out.data(), 32, nullptr, 0, nullptr, 0, out.data(), 255 * 32 + 1));
  const Bytes info(kMaxHkdfInfo + 1);
  CHECK(!hkdf_sha256(out.data(), 32, nullptr, 0, info.data(), kMaxHkdfInfo + 1, out.data(), 32));
  CHECK(out == Bytes(255 * 32 + 1, 0x11));
  CHECK_EQ(hkdf(counting(0, 32), {}, Bytes(kMaxHkdfInfo), 64).size(), 64u);
}

// Reckoned with python3's cryptography.
TEST("crypto: the key, salt and IV mask of an SA, and its SPI's hint") {
  const Bytes bytes = counting(0, 32);
  const Secret secret(bytes.data(), 32);
  SaMaterial material;
  CHECK(derive_sa(secret, 128, v4("0a000001"), v4("0a000002"), 0xa1b2c3d4, material));
  CHECK(Bytes(material.key, material.key + 32) == join({hex("417144062f2f805f0871b7bb6a54e339"), Bytes(16)}));
  CHECK(Bytes(material.salt, material.salt + 4) == hex("f704f67e"));
  CHECK_EQ(material.iv_mask, 0xcf8ff2b7cf27fa1f);
  uint8_t hint = 0;
  CHECK(spi_hint(secret, v4("0a000001"), v4("0a000002"), hint));
  CHECK_EQ(hint, 0x6a);

  CHECK(derive_sa(secret, 256, v4("0a000001"), kV6, 0x100, material));
  CHECK(Bytes(material.key, material.key + 32) ==
        hex("9fa9b92a55c8ab6ae4911164c5cfdcbb58b92259026b3b041a272aae367b882e"));
  CHECK(Bytes(material.salt, material.salt + 4) == hex("ad384eb8"));
  CHECK_EQ(material.iv_mask, 0xcde18ded92c440b2);
  CHECK(spi_hint(secret, v4("0a000001"), kV6, hint));
  CHECK_EQ(hint, 0x26);

  CHECK(!derive_sa(secret, 192, v4("0a000001"), kV6, 0x100, material));
  CHECK(hkdf(bytes, text("overlane ratchet 1"), {}, 32) ==
        hex("9207af58dad3dfc7a2b39fbe4eec9f76c9b6d0377f63398da6df304924fac490"));
}

TEST("crypto: another SPI, direction, peer, key length or secret is another key") {
  const Secret secret(counting(0, 32).data(), 32), other(counting(1, 32).data(), 32);
  const IpAddress a = v4("0a000001"), b = v4("0a000002");
  struct Of {
    const Secret& secret;
    uint32_t bits;
    IpAddress source, destination;
    uint32_t spi;
  };
  std::vector<Bytes> keys;
  for (const Of& of :
       {Of{secret, 128, a, b, 256}, Of{secret, 128, b, a, 256}, Of{secret, 128, a, b, 257}, Of{secret, 256, a, b, 256},
        Of{secret, 128, a, kV6, 256}, Of{other, 128, a, b, 256}, Of{secret, 128, a, b, 0x01000100}}) {
    SaMaterial material;
    CHECK(derive_sa(of.secret, of.bits, of.source, of.destination, of.spi, material));
    keys.emplace_back(material.key, material.key + 16);
  }
  std::sort(keys.begin(), keys.end());
  CHECK(std::adjacent_find(keys.begin(), keys.end()) == keys.end());
}

TEST("crypto: the SPIs of Docker Swarm") {
  CHECK_EQ(docker_spi(v4("01020304"), v4("05060708"), 1234), 0x5de62c5bu);
  CHECK_EQ(docker_spi(v4("0a000001"), kV6, 5678), 0x8c1ea943u);
  CHECK_EQ(docker_spi(v4("0a010b2d"), v4("0a010b1d"), 56398), 0xf4faae1bu);
}

TEST("crypto: random bytes are there, and others each time") {
  uint64_t a[2] = {}, b[2] = {};
  CHECK(random_bytes(a, sizeof a) && random_bytes(b, sizeof b));
  CHECK(a[0] != 0 && a[1] != 0 && b[0] != 0 && b[1] != 0 && a[0] != b[0] && a[1] != b[1]);
}

TEST("crypto: secrets lie in lines of their own, begin with zeros and are wiped when given back") {
  for (size_t size : {0u, 1u, 16u, 64u, 65u, 2304u, 600'000u}) {
    auto* memory = static_cast<uint8_t*>(take_secret(size));
    CHECK_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u);
    CHECK(Bytes(memory, memory + size) == Bytes(size));
    std::memset(memory, 0xee, size);
    give_secret(memory, size);
    CHECK(Bytes(memory, memory + size) == Bytes(size));  // still mapped
    void* again = take_secret(size);
    CHECK(again == memory);  // and taken again
    give_secret(again, size);
  }
  give_secret(nullptr, 64);
  // Many at a time do not overlap.
  std::vector<uint8_t*> many;
  for (int i = 0; i < 5000; ++i) {
    many.push_back(static_cast<uint8_t*>(take_secret(100)));
    std::memset(many.back(), i, 100);
  }
  int wrong = 0;
  for (int i = 0; i < 5000; ++i) wrong += Bytes(many[i], many[i] + 100) != Bytes(100, static_cast<uint8_t>(i));
  CHECK_EQ(wrong, 0);
  for (uint8_t* memory : many) give_secret(memory, 100);
}

TEST("crypto: secrets are left out of core files") {
  const Secret secret(counting(1, 32).data(), 32);
  const std::string flags = mapping_of(secret.data()).flags;
  CHECK(flags.find(" dd ") != std::string::npos);
  static uint8_t ordinary[64];
  const std::string others = mapping_of(ordinary).flags;
  CHECK(!others.empty() && others.find(" dd ") == std::string::npos);
}

TEST("crypto: a key is gone with its owner") {
  const Bytes key = hex("5e c2 e7 00 11 22 33 44 55 66 77 88 99 aa bb cc");
  {
    const Secret secret(key.data(), 16);
    CHECK_EQ(secret.length(), 16u);
    CHECK_EQ(copies_in_arena(key), 1);
  }
  CHECK_EQ(copies_in_arena(key), 0);
  if (ipsec_mb().variants.empty()) return;
  auto aead = make_aead(AeadEngine::ipsec_mb, key.data(), 16, 16);
  CHECK_EQ(copies_in_arena(key), 1);  // the first round key
  aead.reset();
  CHECK_EQ(copies_in_arena(key), 0);

  alignas(SaMaterial) uint8_t room[sizeof(SaMaterial)];
  auto* material = new (room) SaMaterial;
  std::memset(room, 0x77, sizeof room);
  material->~SaMaterial();
  CHECK(Bytes(room, room + sizeof room) == Bytes(sizeof room));
}
