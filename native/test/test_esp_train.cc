// Super-frames through ESP: sealed as trains, opened from trains. The carrier is a port of datagrams in memory.
#include "test/esp_lab.h"
#include "test/item_port.h"

using namespace overlane;
using namespace overlane::test;

namespace {

struct TrainNode {
  TrainNode(uint8_t self, uint8_t peer, uint32_t large = 64) : lab(options_of(large)) {
    auto container_port = std::make_unique<ItemPort>(kTakesPartialChecksum | kTakesTso | kTakesUso);
    auto wire_port = std::make_unique<ItemPort>(0);
    container = container_port.get();
    wire = wire_port.get();
    const uint16_t inside = lab.dataplane.add_port(std::move(container_port), 65535);
    UnderlayOptions options;
    options.datagrams = options.trains = true;
    options.port = lab.dataplane.add_port(std::move(wire_port), 65535);
    options.udp_port = 4789;
    options.mtu = 1500;
    options.local = node_address(false, self);
    options.esp = EspCarriage::udp;
    BridgeOptions bridge = Lab::plain();
    bridge.underlay = lab.dataplane.add_underlay(options);
    bridge.domains = {{kNoVlan, 4097}};
    bridge.policy.keyring = lab.dataplane.add_keyring({EspProfile::strong, 128, best_engine(), 1u << 30});
    lab.dataplane.set_keys(bridge.policy.keyring, keys_of({}, {1}), 0);
    const uint16_t added = lab.bridge({inside}, bridge);
    lab.dataplane.add_vtep(lab.dataplane.domain_of(added, kNoVlan), node_address(false, peer), true);
  }
  static DataplaneOptions options_of(uint32_t large) {
    DataplaneOptions options;
    options.large_packets = large;
    return options;
  }

  Lab lab;
  ItemPort* container;
  ItemPort* wire;
};

// What the kernel makes of what was sent: trains as they are, from the sender.
Item received(const Item& sent, uint8_t from) {
  Item item = sent;
  item.datagram = {};
  item.datagram.peer = node_address(false, from);
  item.datagram.stride = sent.datagram.stride;
  return item;
}

Item super_frame(const Flow& flow, size_t payload, uint16_t segment) {
  Bytes frame = with_partial_checksum(flow, frame_of(flow, payload_bytes(payload), {.flags = kAckPush}));
  return {frame, {}, segment, kPartialChecksum};
}

}  // namespace

TEST("esp trains: a super-frame arrives as the super-frame that it was, sealed in trains") {
  for (const Flow& flow : all_flows()) {
    if (flow.tags > 1) continue;
    for (size_t payload : {2000u, 40'000u, 60'000u}) {
      TrainNode left(1, 2), right(2, 1);
      const Item super = super_frame(flow, payload, 1300);
      left.container->in.push_back(super);
      left.lab.run();
      CHECK(!left.wire->out.empty());
      for (const Item& item : left.wire->out) {
        const uint16_t stride = item.datagram.stride;
        CHECK(stride == 0 || stride % 4 == 0);
        CHECK(stride == 0 || item.bytes.size() <= 64u * stride);
        CHECK(item.bytes.size() <= 65507);
        right.wire->in.push_back(received(item, 1));
      }
      right.lab.run();
      std::vector<Bytes> got;
      for (const Item& item : right.container->out) {
        const auto pieces = item.segment == 0 ? std::vector<Bytes>{item.bytes} : segments_of(item.bytes, item.segment);
        got.insert(got.end(), pieces.begin(), pieces.end());
      }
      CHECK(got == segments_of(super.bytes, super.segment));
      CHECK(right.container->out.size() <= (flow.tags > 0 || payload > 50'000 ? got.size() : 2u));
      const uint64_t count = got.size();
      CHECK_EQ(left.lab.total(Counter::sealed), count);
      CHECK_EQ(left.lab.total(Counter::tx_packets), count);
      CHECK_EQ(right.lab.total(Counter::opened), count);
    }
  }
}

TEST("esp trains: a damaged datagram is dropped alone, the others arrive in order") {
  const Flow flow;
  TrainNode left(1, 2), right(2, 1);
  const Item super = super_frame(flow, 13'000, 1300);
  left.container->in.push_back(super);
  left.lab.run();
  Item train = received(left.wire->out[0], 1);
  CHECK_EQ(train.bytes.size() / train.datagram.stride, 10u);
  train.bytes[3u * train.datagram.stride + 100] ^= 1;   // ICV
  train.bytes[5u * train.datagram.stride + 1] ^= 1;     // SPI
  train.bytes.resize(9u * train.datagram.stride + 40);  // truncated
  right.wire->in.push_back(train);
  right.lab.run();
  std::vector<Bytes> got;
  for (const Item& item : right.container->out) {
    const auto pieces = item.segment == 0 ? std::vector<Bytes>{item.bytes} : segments_of(item.bytes, item.segment);
    got.insert(got.end(), pieces.begin(), pieces.end());
  }
  auto expected = segments_of(super.bytes, super.segment);
  expected.erase(expected.begin() + 9);
  expected.erase(expected.begin() + 5);
  expected.erase(expected.begin() + 3);
  CHECK(got == expected);
  CHECK_EQ(right.lab.total(Counter::drop_esp_icv), 1u);
  CHECK_EQ(right.lab.total(Counter::drop_esp_spi), 1u);
  CHECK_EQ(right.lab.total(Counter::drop_esp_truncated), 1u);
  // And the whole train again is a replay, but for what did not arrive.
  right.container->out.clear();
  right.wire->in.push_back(received(left.wire->out[0], 1));
  right.lab.run();
  CHECK_EQ(right.lab.total(Counter::drop_esp_replay), 7u);
}

TEST("esp trains: datagrams of different lengths and SAs in one train") {
  TrainNode left(1, 2), right(2, 1);
  // Lengths that ESP's padding makes equal on the wire.
  std::vector<Bytes> frames;
  for (size_t size : {602u, 601u, 600u, 599u, 602u}) {
    Bytes frame = udp_frame(mac(2), mac(1), 1, 2, size);
    frames.push_back(frame);
    left.container->in.push_back({frame});
  }
  left.lab.run();
  CHECK_EQ(left.wire->out.size(), 5u);
  Item train = received(left.wire->out[0], 1);
  train.datagram.stride = static_cast<uint16_t>(train.bytes.size());
  train.bytes.clear();
  bool equal = true;
  for (const Item& item : left.wire->out) {
    equal &= item.bytes.size() == train.datagram.stride;
    train.bytes.insert(train.bytes.end(), item.bytes.begin(), item.bytes.end());
  }
  CHECK(equal);
  right.wire->in.push_back(train);
  right.lab.run();
  std::vector<Bytes> got;
  for (const Item& item : right.container->out) got.push_back(item.bytes);
  CHECK(got == frames);
}

TEST("esp trains: without buffers datagrams are lost by name, and nothing else") {
  for (uint32_t large : {1u, 2u, 3u}) {
    TrainNode left(1, 2, large), right(2, 1, large);
    for (int i = 0; i < 4; ++i) {
      left.container->in.push_back(super_frame({}, 30'000, 1300));
      left.lab.run();
    }
    for (const Item& item : left.wire->out) right.wire->in.push_back(received(item, 1));
    right.lab.run();
    if (large == 1) CHECK(left.lab.total(Counter::drop_pool_empty) > 0);
  }
}
