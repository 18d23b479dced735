// ESP from frame to frame: what is sealed opens, and what is not right is dropped by name.
#include <algorithm>

#include "crypto/kdf.h"
#include "stage/parse.h"
#include "test/esp_lab.h"

using namespace overlane;
using namespace overlane::test;

namespace {

Bytes with_right_sum(Bytes frame) {
  frame[24] = frame[25] = 0;
  const uint16_t sum = ones_complement(frame, 14, 34);
  store_be16(&frame[24], sum);
  return frame;
}

}  // namespace

TEST("esp: what is sealed opens, every profile, family, key length and size") {
  for (EspProfile profile : kBoth) {
    for (bool v6 : {false, true}) {
      for (uint32_t bits : {128u, 256u}) {
        const EspSetting setting{profile, v6, bits, best_engine()};
        EspNode left(setting, 1, 2), right(setting, 2, 1);
        for (size_t size : {60u, 61u, 62u, 63u, 64u, 512u, 1400u, 9000u, 65000u}) {
          check_way(left, right, udp_frame(mac(2), mac(1), 1, 2, size));
          check_way(right, left, udp_frame(mac(1), mac(2), 1, 2, size));
        }
        CHECK_EQ(left.total(Counter::sealed), 9u);
        CHECK_EQ(left.total(Counter::opened), 9u);
      }
    }
  }
}

TEST("esp: the outer headers, and nothing of the inside in the clear") {
  for (EspProfile profile : kBoth) {
    const EspSetting setting{profile};
    EspNode left(setting, 1, 2);
    const Bytes inner = udp_frame(mac(2), mac(1), 1, 2, 200);
    const Bytes outer = left.seal(inner)[0];
    const bool strong = profile == EspProfile::strong;
    CHECK_EQ(outer[23], strong ? 17 : 50);
    CHECK_EQ(load_be16(&outer[16]), outer.size() - 14);
    CHECK_EQ(ones_complement(outer, 14, 34), 0);
    if (strong) CHECK_EQ(load_be16(&outer[36]), 4500);
    // 16 of header and IV, UDP, VXLAN, frame, trailer to a multiple of 4, ICV.
    const size_t plain = (8 + 8 + inner.size() + 2 + 3) / 4 * 4;
    CHECK_EQ(outer.size(), esp_at(setting) + 16 + plain + (strong ? 16 : 8));
    const auto found = std::search(outer.begin() + 42, outer.end(), inner.begin(), inner.begin() + 14);
    CHECK(found == outer.end());
    if (!strong) CHECK_EQ(spi_of(outer, setting), docker_spi(node_address(false, 1), node_address(false, 2), 1));
  }
}

TEST("esp: changed, cut and misdirected packets are dropped by name") {
  for (EspProfile profile : kBoth) {
    const EspSetting setting{profile};
    EspNode left(setting, 1, 2), right(setting, 2, 1);
    check_way(left, right, udp_frame(mac(2), mac(1), 1, 2));
    const Bytes good = left.seal(udp_frame(mac(2), mac(1), 1, 2))[0];
    uint64_t before = 0;
    for (uint32_t at = esp_at(setting); at < good.size(); ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        Bytes bad = good;
        bad[at] ^= static_cast<uint8_t>(1 << bit);
        CHECK(right.open(bad).empty());
        ++before;
      }
    }
    CHECK_EQ(right.total(Counter::drop_esp_icv) + right.total(Counter::drop_esp_spi), before);
    CHECK_EQ(right.total(Counter::drop_esp_spi), 32u);
    for (uint32_t length = 34; length < good.size(); ++length) {
      Bytes bad(good.begin(), good.begin() + length);
      store_be16(&bad[16], static_cast<uint16_t>(length - 14));
      if (profile == EspProfile::strong && length >= 42) store_be16(&bad[38], static_cast<uint16_t>(length - 34));
      CHECK(right.open(with_right_sum(bad)).empty());
    }
    // From a VTEP that nobody told us of, though its key is right.
    EspNode stranger(setting, 3, 2);
    CHECK(right.open(stranger.seal(udp_frame(mac(2), mac(1), 1, 2))[0]).empty());
    CHECK_EQ(right.total(Counter::drop_vtep_unknown), 1u);
    EspNode other_keys(setting, 1, 2, {9});
    CHECK(right.open(other_keys.seal(udp_frame(mac(2), mac(1), 1, 2))[0]).empty());
    CHECK(right.open(good) == std::vector<Bytes>{udp_frame(mac(2), mac(1), 1, 2)});
  }
}

TEST("esp: an encrypted VNI takes no cleartext, and none leaves it") {
  const EspSetting setting;
  EspNode right(setting, 2, 1);
  Lab plain;
  const uint16_t container = plain.port(), wire = plain.port();
  const uint16_t underlay = plain.underlay(wire, {192, 168, 77, 1}, 1);
  plain.dataplane.set_next_hop(underlay, node_address(false, 2), load_mac(mac(2).data()));
  BridgeOptions options = Lab::plain();
  options.underlay = underlay;
  options.domains = {{kNoVlan, 4097}};
  const uint16_t bridge = plain.bridge({container}, options);
  plain.dataplane.add_vtep(plain.dataplane.domain_of(bridge, kNoVlan), node_address(false, 2), true);
  plain.pass(container, udp_frame(mac(2), mac(1), 1, 2));
  const auto clear = plain.drain(wire);
  CHECK_EQ(clear.size(), 1u);
  CHECK(right.open(clear[0]).empty());
  CHECK_EQ(right.total(Counter::drop_cleartext), 1u);
  // Without a key nothing is sent, and it is told.
  right.set_keys({}, -1);
  CHECK(right.seal(udp_frame(mac(1), mac(2), 1, 2)).empty());
  CHECK_EQ(right.total(Counter::drop_esp_no_key), 1u);
  int told = 0;
  right.lab.dataplane.context().associations.take_alerts(
      [&](const AlertNote& note) { told += note.alert == Alert::no_key && note.peer == node_address(false, 1); });
  CHECK_EQ(told, 1);
}

TEST("esp: a VNI opens only with its own keyring") {
  const EspSetting setting;
  EspNode left(setting, 1, 2), right(setting, 2, 1);
  // On the right, 4098 has other keys; the left thinks that it has the same.
  const uint16_t left_port = left.lab.port(), right_port = right.lab.port();
  left.add_bridge(left_port, 4098, left.keyring);
  const uint16_t other = right.lab.dataplane.add_keyring({setting.profile, 128, setting.engine, 1u << 20});
  right.lab.dataplane.set_keys(other, keys_of(setting, {7}), 0);
  right.add_bridge(right_port, 4098, other);
  const Bytes inner = udp_frame(mac(2), mac(1), 1, 2);
  left.lab.pass(left_port, inner);
  CHECK(right.open(left.lab.drain(left.wire)[0]).empty());
  CHECK(right.lab.drain(right_port).empty());
  CHECK_EQ(right.total(Counter::drop_esp_keyring), 1u);
  check_way(left, right, inner);
}

TEST("esp: what is authentic but no VXLAN, what no engine seals, and what a capture cut, are dropped by name") {
  EspSetting setting{EspProfile::docker};
  setting.engine = AeadEngine::null;  // a tag of zeros is right
  EspNode left(setting, 1, 2), right(setting, 2, 1);
  const Bytes inner = udp_frame(mac(2), mac(1), 1, 2);
  const Bytes good = left.seal(inner)[0];
  CHECK_EQ(right.open(good).size(), 1u);
  const uint32_t plain = esp_at(setting) + 16;
  const auto at_end = static_cast<uint32_t>(good.size() - 8);
  // Port, length, padding, its length, next header.
  for (uint32_t at : {plain + 2, plain + 4, at_end - 2, at_end - 1}) {
    Bytes bad = good;
    bad[at] ^= 0x40;
    CHECK(right.open(bad).empty());
  }
  CHECK_EQ(right.total(Counter::drop_esp_inner), 4u);
  Bytes padded = good;
  padded[at_end - 2] = 3;  // the bytes before are none of padding
  CHECK(right.open(padded).empty());
  CHECK_EQ(right.total(Counter::drop_esp_inner), 5u);

  setting.engine = best_engine();
  setting.key_bits = 192;  // of no engine
  EspNode none(setting, 1, 2);
  CHECK(none.seal(inner).empty());
  CHECK_EQ(none.total(Counter::drop_esp_engine), 1u);

  EspNode node({}, 1, 2);
  Context& context = node.lab.dataplane.context();
  Packet* packet = context.pools.take(200);
  std::copy(inner.begin(), inner.end(), packet->data);
  packet->length = 80;
  packet->cut = 20;
  packet->set_origin(node.container, node.container, 0);
  context.counters.port(node.container).add(Counter::rx_packets);
  packet->headers = parse_frame(packet->data, packet->length);
  context.output.to_tunnel(
      node.lab.dataplane.tunnel_to(node.lab.dataplane.domain_of(node.bridge, kNoVlan), node.remote), node.underlay,
      packet, context);
  context.output.flush(context);
  CHECK_EQ(node.total(Counter::drop_esp_cut), 1u);
  node.lab.settled();
}
