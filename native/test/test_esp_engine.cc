// Keys under load: workers seal while rings turn, lose their keys and go. Run under ThreadSanitizer as well.
#include "test/esp_lab.h"
#include "test/live_lab.h"

using namespace overlane;
using namespace overlane::test;

namespace {

// Two workers that send without end into an encrypted VNI.
struct Sealing {
  explicit Sealing(EspProfile profile) : setting{profile}, lab(2) {
    MemoryPort::Options source, sink;
    source.loop = true;
    sink.discard = true;
    container = lab.port(source);
    wire = lab.port(sink);
    lab.engine.change([&](Dataplane& dataplane, uint32_t) {
      UnderlayOptions u;
      u.port = wire;
      u.udp_port = 4789;
      u.mtu = 65535;
      u.local = node_address(false, 1);
      u.esp = profile == EspProfile::strong ? EspCarriage::udp : EspCarriage::ip;
      underlay = dataplane.add_underlay(u);  // not started yet, so one worker after the other
      dataplane.set_next_hop(underlay, node_address(false, 2), 0x02);
      keyring = dataplane.add_keyring({profile, 128, best_engine(), uint64_t{1} << 32});
      bridge = add_bridge(dataplane, keyring);
    });
    for (uint32_t worker = 0; worker < 2; ++worker) lab.inject(worker, container, udp_frame(mac(2), mac(1), 1, 2), 64);
  }
  uint16_t add_bridge(Dataplane& dataplane, uint16_t of) const {
    BridgeOptions b = Lab::plain();
    b.underlay = underlay;
    b.domains = {{kNoVlan, 4097}};
    b.policy.keyring = of;
    const uint16_t added = dataplane.add_bridge(b);
    dataplane.attach(added, container, {false, true, 16});
    dataplane.add_vtep(dataplane.domain_of(added, kNoVlan), node_address(false, 2), true);
    return added;
  }
  void set_keys(const std::vector<KeyringKey>& keys, int32_t send) {
    lab.engine.change([&](Dataplane& dataplane, uint32_t) { dataplane.set_keys(keyring, keys, send); });
  }

  EspSetting setting;
  LiveLab lab;
  uint16_t container, wire, underlay, keyring, bridge;
};

}  // namespace

TEST("esp engine: keys turn under load, and every packet is sealed") {
  for (EspProfile profile : {EspProfile::strong, EspProfile::docker}) {
    Sealing sealing(profile);
    std::vector<KeyringKey> keys = keys_of(sealing.setting, {1, 2, 3});
    sealing.set_keys(keys, 0);
    CHECK(static_cast<bool>(sealing.lab.engine.start()));
    for (uint32_t id = 4; id < 200; ++id) {
      keys.erase(keys.begin());
      keys.push_back(keys_of(sealing.setting, {id})[0]);
      sealing.set_keys(keys, 0);
      sealing.set_keys(keys, 1);
    }
    CHECK(eventually([&] { return sealing.lab.total(Counter::sealed) > 1000; }));
    sealing.lab.engine.stop();
    CHECK_EQ(sealing.lab.total(Counter::sealed), sealing.lab.total(Counter::tx_packets));
    CHECK_EQ(sealing.lab.total(Counter::drop_esp_no_key), 0u);
    sealing.lab.check_balance();
  }
}

TEST("esp engine: without a key nothing leaves, which is told, and bridges come and go with their SAs") {
  Sealing sealing(EspProfile::strong);
  CHECK(static_cast<bool>(sealing.lab.engine.start()));
  CHECK(eventually([&] { return sealing.lab.total(Counter::drop_esp_no_key) > 1000; }));
  CHECK_EQ(sealing.lab.total(Counter::tx_packets), 0u);
  int alerts = 0;
  CHECK(eventually([&] {
    sealing.lab.engine.take_events([&](const Event& event) {
      alerts += event.kind == EventKind::alert && event.value == sealing.keyring && event.port == sealing.wire;
    });
    return alerts > 0;
  }));
  for (uint32_t id = 1; id < 50; ++id) {
    sealing.set_keys(keys_of(sealing.setting, {id}), 0);
    uint16_t keyring = 0, bridge = 0;
    sealing.lab.engine.change([&](Dataplane& dataplane, uint32_t worker) {
      dataplane.remove_bridge(sealing.bridge);
      dataplane.remove_keyring(sealing.keyring);
      const uint16_t ring = dataplane.add_keyring({EspProfile::strong, 128, best_engine(), uint64_t{1} << 32});
      const uint16_t added = sealing.add_bridge(dataplane, ring);
      if (worker == 0) keyring = ring, bridge = added;
    });
    sealing.keyring = keyring;
    sealing.bridge = bridge;
  }
  sealing.lab.engine.stop();
  CHECK_EQ(sealing.lab.total(Counter::sealed), sealing.lab.total(Counter::tx_packets));
  CHECK(alerts <= 4);  // the same is told every 10 s, by each worker
  sealing.lab.check_balance();
}
