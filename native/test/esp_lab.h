// Two nodes of an encrypted overlay, each with a container port and a wire port in memory, for the tests of ESP.
#pragma once

#include "crypto/engine.h"
#include "test/lab.h"

namespace overlane::test {

struct EspSetting {
  EspProfile profile = EspProfile::strong;
  bool v6 = false;
  uint32_t key_bits = 128;
  AeadEngine engine = AeadEngine::openssl;
  uint64_t packet_limit = uint64_t{1} << 32;
  uint32_t mtu = 65535;
};

inline SharedSecret secret_of(uint8_t seed, uint32_t length) {
  Bytes bytes(length);
  for (uint32_t i = 0; i < length; ++i) bytes[i] = static_cast<uint8_t>(seed * 7 + i * 13);
  return std::make_shared<const Secret>(bytes.data(), length);
}

inline std::vector<KeyringKey> keys_of(const EspSetting& setting, std::vector<uint32_t> ids) {
  std::vector<KeyringKey> keys;
  const uint32_t length = setting.profile == EspProfile::strong ? 32 : setting.key_bits / 8;
  for (uint32_t id : ids) {
    keys.push_back({id, secret_of(static_cast<uint8_t>(id), length), std::make_shared<SentSpis>()});
  }
  return keys;
}

inline IpAddress node_address(bool v6, uint8_t node) {
  const Bytes four = {192, 168, 77, node};
  Bytes sixteen = hex("fd00 0000 0000 0000 0000 0000 0000 0000");
  sixteen[15] = node;
  return v6 ? IpAddress::v6(sixteen.data()) : IpAddress::v4(four.data());
}

struct EspNode {
  EspNode(const EspSetting& setting, uint8_t self, uint8_t peer, std::vector<uint32_t> ids = {1}, int32_t vni = 4097,
          bool live = false)
      : setting(setting), lab(options_of(live)) {
    container = lab.port();
    wire = lab.port();
    clear = add_underlay(self, EspCarriage::none);
    underlay = add_underlay(self, setting.profile == EspProfile::strong ? EspCarriage::udp : EspCarriage::ip);
    remote = node_address(setting.v6, peer);
    lab.dataplane.set_next_hop(underlay, remote, load_mac(mac(peer).data()));
    lab.dataplane.set_next_hop(clear, remote, load_mac(mac(peer).data()));
    keyring = lab.dataplane.add_keyring({setting.profile, setting.key_bits, setting.engine, setting.packet_limit});
    bridge = add_bridge(container, vni, keyring);
    set_keys(ids, 0);
  }

  uint16_t add_bridge(uint16_t port, int32_t vni, uint16_t of) {
    BridgeOptions options = Lab::plain();
    options.underlay = underlay;
    options.domains = {{kNoVlan, vni}};
    options.policy.keyring = of;
    const uint16_t added = lab.bridge({port}, options);
    lab.dataplane.add_vtep(lab.dataplane.domain_of(added, kNoVlan), remote, true);
    return added;
  }
  void set_keys(std::vector<uint32_t> ids, int32_t send) {
    lab.dataplane.set_keys(keyring, keys_of(setting, std::move(ids)), send);
  }
  std::vector<Bytes> seal(const Bytes& frame) {
    lab.pass(container, frame);
    return lab.drain(wire);
  }
  std::vector<Bytes> open(const Bytes& frame) {
    lab.pass(wire, frame);
    return lab.drain(container);
  }
  uint64_t total(Counter counter) { return lab.total(counter); }

  EspSetting setting;
  Lab lab;
  IpAddress remote;
  uint16_t container, wire, clear, underlay, keyring, bridge;

 private:
  static DataplaneOptions options_of(bool live) {
    DataplaneOptions options;
    options.live = live;
    return options;
  }
  uint16_t add_underlay(uint8_t self, EspCarriage esp) {
    UnderlayOptions options;
    options.port = wire;
    options.udp_port = 4789;
    options.mtu = setting.mtu;
    options.local = node_address(setting.v6, self);
    options.mac = load_mac(mac(self).data());
    options.send_checksum = setting.v6;
    options.esp = esp;
    options.esp_port = 4500;
    return lab.dataplane.add_underlay(options);
  }
};

// Where the ESP packet begins in a frame of these nodes.
inline uint32_t esp_at(const EspSetting& setting) {
  return (setting.v6 ? 54u : 34u) + (setting.profile == EspProfile::strong ? 8u : 0u);
}

inline uint32_t spi_of(const Bytes& frame, const EspSetting& setting) {
  return load_be32(&frame[esp_at(setting)]);
}

// Brings a frame over, from one end to the other.
inline void check_way(EspNode& left, EspNode& right, const Bytes& inner) {
  const auto wire = left.seal(inner);
  CHECK_EQ(wire.size(), 1u);
  CHECK(right.open(wire[0]) == std::vector<Bytes>{inner});
}

inline constexpr EspProfile kBoth[] = {EspProfile::strong, EspProfile::docker};

}  // namespace overlane::test
