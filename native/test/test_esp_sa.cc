// What becomes of SAs: their numbers and windows, rotation, restarts, their end.
#include <set>

#include "crypto/kdf.h"
#include "test/esp_lab.h"

using namespace overlane;
using namespace overlane::test;

TEST("esp: replays, and what is older than the window, only in profile strong") {
  const EspSetting setting;
  EspNode left(setting, 1, 2), right(setting, 2, 1);
  const Bytes inner = udp_frame(mac(2), mac(1), 1, 2);
  std::vector<Bytes> sent;
  for (int i = 0; i < 3000; ++i) sent.push_back(left.seal(inner)[0]);
  CHECK_EQ(right.open(sent[2999]).size(), 1u);
  CHECK_EQ(right.open(sent[2999]).size(), 0u);
  CHECK_EQ(right.open(sent[3000 - 2048]).size(), 1u);  // the last in the window
  CHECK_EQ(right.open(sent[3000 - 2048]).size(), 0u);
  CHECK_EQ(right.open(sent[3000 - 2049]).size(), 0u);  // taken for a number after the wrap (RFC 4304, appendix A2)
  CHECK_EQ(right.open(sent[2000]).size(), 1u);
  CHECK_EQ(right.total(Counter::drop_esp_replay), 2u);
  CHECK_EQ(right.total(Counter::drop_esp_icv), 1u);
  EspNode swarm({EspProfile::docker}, 1, 2), swarm_peer({EspProfile::docker}, 2, 1);
  const Bytes packet = swarm.seal(inner)[0];
  CHECK_EQ(swarm_peer.open(packet).size(), 1u);
  CHECK_EQ(swarm_peer.open(packet).size(), 1u);
}

TEST("esp: rotation, make before break, loses nothing and wipes what is retired") {
  for (EspProfile profile : kBoth) {
    const EspSetting setting{profile};
    EspNode left(setting, 1, 2, {1}), right(setting, 2, 1, {1});
    const Bytes inner = udp_frame(mac(2), mac(1), 1, 2);
    check_way(left, right, inner);
    const Bytes old = left.seal(inner)[0];
    right.set_keys({1, 2}, 0);
    left.set_keys({1, 2}, 1);
    check_way(left, right, inner);  // the new key
    check_way(right, left, inner);  // still the old one
    right.set_keys({1, 2}, 1);
    check_way(right, left, inner);
    CHECK_EQ(right.open(old).size(), 1u);  // late, but of a key that is still there
    const Bytes later = left.seal(inner)[0];
    right.set_keys({2}, 0);
    left.set_keys({2}, 0);
    check_way(left, right, inner);
    CHECK_EQ(right.open(old).size(), 0u);
    CHECK_EQ(right.open(later).size(), 1u);
    CHECK_EQ(right.total(Counter::drop_esp_spi), 1u);
  }
}

TEST("esp: a sender that starts again is heard with its new SAs, and its old packets are not new again") {
  const EspSetting setting;
  EspNode right(setting, 2, 1, {1}, 4097, true);
  const Bytes inner = udp_frame(mac(2), mac(1), 1, 2);
  std::vector<Bytes> old;
  {
    EspNode left(setting, 1, 2);
    for (int i = 0; i < 5; ++i) old.push_back(left.seal(inner)[0]);
  }
  for (const Bytes& packet : old) CHECK_EQ(right.open(packet).size(), 1u);
  EspNode again(setting, 1, 2);
  check_way(again, right, inner);
  for (const Bytes& packet : old) CHECK_EQ(right.open(packet).size(), 0u);
  // Many more restarts: the SAs of the first one are forgotten, its packets still refused.
  for (int i = 0; i < 260; ++i) {
    EspNode restarted(setting, 1, 2);
    check_way(restarted, right, inner);
  }
  for (const Bytes& packet : old) CHECK_EQ(right.open(packet).size(), 0u);
  CHECK_EQ(right.total(Counter::drop_esp_stale), 5u);
}

TEST("esp: an SA of profile strong ends before its numbers do, one of Docker's stops") {
  const Bytes inner = udp_frame(mac(2), mac(1), 1, 2);
  EspSetting setting;
  setting.packet_limit = 1030;  // 1,024 are kept in reserve
  EspNode left(setting, 1, 2), right(setting, 2, 1);
  std::vector<uint32_t> spis;
  for (int i = 0; i < 50; ++i) {
    const Bytes packet = left.seal(inner)[0];
    if (spis.empty() || spis.back() != spi_of(packet, setting)) spis.push_back(spi_of(packet, setting));
    CHECK_EQ(right.open(packet).size(), 1u);
  }
  CHECK_EQ(spis.size(), 8u);  // 7 packets each
  setting.profile = EspProfile::docker;
  setting.packet_limit = 100;
  EspNode swarm(setting, 1, 2);
  for (int i = 0; i < 100; ++i) CHECK_EQ(swarm.seal(inner).size(), 1u);
  for (int i = 0; i < 100; ++i) CHECK_EQ(swarm.seal(inner).size(), 0u);
  CHECK_EQ(swarm.total(Counter::drop_esp_exhausted), 100u);
  bool near = false, stopped = false;
  swarm.lab.dataplane.context().associations.take_alerts([&](const AlertNote& note) {
    near |= note.alert == Alert::limit_near;
    stopped |= note.alert == Alert::exhausted;
  });
  CHECK(stopped);
}

TEST("esp: no SPI of a secret is drawn twice, by any worker, so no two SAs have a key in common") {
  SentSpis sent;
  CHECK(sent.claim(0x11223344));
  CHECK(!sent.claim(0x11223344));
  // Two SAs that would collide: with all SPIs but some taken, the same ones cannot come twice.
  const auto keys = keys_of({}, {1});
  Keyring ring{true, {EspProfile::strong, 128, best_engine(), 1u << 20}, keys, 0};
  std::set<uint32_t> spis;
  for (int i = 0; i < 5000; ++i) {
    OutboundSa sa;
    CHECK(sa.open(ring, node_address(false, 1), node_address(false, 2), wall_clock()) == OutboundSa::State::ready);
    CHECK(spis.insert(sa.spi()).second);
    CHECK(!keys[0].sent->claim(sa.spi()));
  }
}

TEST("esp: workers that send with one SPI take numbers that differ, and restarts begin elsewhere") {
  EspSetting setting{EspProfile::docker};
  const auto keys = keys_of(setting, {1});
  Keyring ring{true, {EspProfile::docker, 128, best_engine(), 1u << 20}, keys, 0};
  OutboundSa workers[3];
  std::set<uint64_t> ivs;
  for (OutboundSa& sa : workers) sa.open(ring, node_address(false, 1), node_address(false, 2), 0);
  for (int i = 0; i < 1000; ++i) {
    for (OutboundSa& sa : workers) {
      PacketNumber number;
      CHECK(sa.next(0, number));
      CHECK(ivs.insert(number.iv).second);
    }
  }
  Keyring restarted = ring;
  restarted.keys = keys_of(setting, {1});
  OutboundSa again;
  again.open(restarted, node_address(false, 1), node_address(false, 2), 0);
  PacketNumber number;
  CHECK(again.next(0, number));
  CHECK(*ivs.rbegin() - number.iv > 1u << 20 && number.iv - *ivs.begin() > 1u << 20);
}

TEST("esp: a secret has one register of SPIs in a process, whatever ring it is in") {
  const SharedSecret a = secret_of(201, 32), again = secret_of(201, 32), b = secret_of(202, 32);
  CHECK(sent_spis_of(*a) == sent_spis_of(*again));
  CHECK(sent_spis_of(*a) != sent_spis_of(*b));
}
