// Super-frames of UDP that arrive on a frame underlay: what comes out is what their datagrams one by one bring.
#include <random>

#include "test/item_port.h"
#include "test/lab.h"

using namespace overlane;
using namespace overlane::test;

namespace {

constexpr uint8_t kTakesAll = kTakesPartialChecksum | kTakesTso | kTakesUso;
constexpr uint32_t kVni = 4097, kOtherVni = 5000;

struct Setup {
  bool v6 = false;
  uint8_t inside = kTakesPartialChecksum;  // what the containers take
  uint32_t large = 64;
  bool verify = false;
};

Bytes address(bool v6, uint8_t last) {
  Bytes bytes = v6 ? hex("fd00 0000 0000 0000 0000 0000 0000 0000") : Bytes{10, 0, 0, 0};
  bytes.back() = last;
  return bytes;
}

// A container on each of two bridges, reached from 10.0.0.1 or fd00::1.
struct Receiver {
  explicit Receiver(const Setup& setup) : lab(options_of(setup)) {
    const auto add = [&](uint8_t takes, ItemPort*& port) {
      auto owned = std::make_unique<ItemPort>(takes);
      port = owned.get();
      return lab.dataplane.add_port(std::move(owned), 65535);
    };
    const uint16_t inside = add(setup.inside, container), outside = add(setup.inside, other);
    const auto ip = [&](uint8_t last) {
      const Bytes bytes = address(setup.v6, last);
      return setup.v6 ? IpAddress::v6(bytes.data()) : IpAddress::v4(bytes.data());
    };
    UnderlayOptions options;
    options.port = add(kTakesAll, wire);
    options.udp_port = 4789;
    options.mtu = 65535;
    options.local = ip(2);
    options.mac = load_mac(mac(2).data());
    options.resolve = true;
    options.verify_checksum = setup.verify;
    BridgeOptions bridge = Lab::plain();
    bridge.underlay = lab.dataplane.add_underlay(options);
    for (const auto& [port, vni] : {std::pair{inside, kVni}, std::pair{outside, kOtherVni}}) {
      bridge.domains = {{kNoVlan, static_cast<int32_t>(vni)}};
      const uint16_t domain = lab.dataplane.domain_of(lab.bridge({port}, bridge), kNoVlan);
      lab.dataplane.add_vtep(domain, ip(1), true);
    }
  }
  static DataplaneOptions options_of(const Setup& setup) {
    DataplaneOptions options;
    options.large_packets = setup.large;
    return options;
  }
  void hear(const std::vector<Item>& items) {
    wire->in.insert(wire->in.end(), items.begin(), items.end());
    lab.run();
  }

  Lab lab;
  ItemPort* container;
  ItemPort* other;
  ItemPort* wire;
};

Bytes datagram(const Bytes& frame, uint32_t vni = kVni) {
  Bytes vxlan = hex("08000000 00000000");
  put32(vxlan, 4, vni << 8);
  return join({vxlan, frame});
}

Item alone(bool v6, const Bytes& payload, uint8_t ecn = 2) {
  const Flow flow = outer_flow(v6);
  Bytes bytes = frame_of(flow, payload);
  put16(bytes, l4_of(flow) + 2, 4789);
  if (v6) put16(bytes, l3_of(flow), 0x6000 | ecn << 4);
  if (!v6) bytes[l3_of(flow) + 1] = ecn;
  return {with_right_checksum(flow, with_ip_checksum(flow, bytes))};
}

Item train(bool v6, const std::vector<Bytes>& payloads, uint8_t ecn = 2) {
  Item item = alone(v6, join(payloads), ecn);
  item.bytes = with_partial_checksum(outer_flow(v6), item.bytes);
  item.segment = static_cast<uint16_t>(payloads[0].size());
  item.flags = kPartialChecksum;
  return item;
}

std::vector<Bytes> frames(const std::deque<Item>& items) {
  std::vector<Bytes> out;
  for (const Item& item : items) {
    const auto some = item.segment == 0 ? std::vector<Bytes>{item.bytes} : segments_of(item.bytes, item.segment);
    out.insert(out.end(), some.begin(), some.end());
  }
  return out;
}

// Both ways bring the same to both containers. Returns how many packets the train was for the first.
size_t check_same(const Setup& setup, const std::vector<Bytes>& payloads, uint8_t ecn = 2) {
  Receiver together(setup), apart(setup);
  together.hear({train(setup.v6, payloads, ecn)});
  std::vector<Item> each;
  for (const Bytes& payload : payloads) each.push_back(alone(setup.v6, payload, ecn));
  apart.hear(each);
  CHECK(frames(together.container->out) == frames(apart.container->out));
  CHECK(frames(together.other->out) == frames(apart.other->out));
  const auto is_open = [](const Item& item) { return item.segment == 0 && item.flags & kPartialChecksum; };
  const auto open = [&](const std::deque<Item>& items) { return std::count_if(items.begin(), items.end(), is_open); };
  CHECK_EQ(open(together.container->out), open(apart.container->out));
  for (size_t i = 0; i < kCounterCount; ++i) {
    if (std::string_view(kCounterInfo[i].kind) != "drop") continue;
    CHECK_EQ(together.lab.total(static_cast<Counter>(i)), apart.lab.total(static_cast<Counter>(i)));
  }
  return together.container->out.size();
}

std::vector<Bytes> datagrams(const std::vector<Bytes>& inner) {
  std::vector<Bytes> out;
  for (const Bytes& frame : inner) out.push_back(datagram(frame));
  return out;
}

}  // namespace

TEST("vxlan from train: every kind of flow, cut for who takes no super-frames and whole for who does") {
  for (bool v6 : {false, true}) {
    for (const Flow& flow : all_flows()) {
      const std::vector<Bytes> inner = stream(flow, payload_bytes(9'000), 1300);
      CHECK_EQ(check_same({.v6 = v6}, datagrams(inner)), inner.size());
      CHECK_EQ(check_same({.v6 = v6, .inside = kTakesAll}, datagrams(inner)), 1u);
    }
  }
}

TEST("vxlan from train: frames that have nothing to do with each other, of two networks, in order") {
  const Flow tcp, udp{.tcp = false};
  std::vector<Bytes> payloads;
  for (uint8_t i = 0; i < 20; ++i) {
    const Flow& flow = i % 3 == 0 ? tcp : udp;
    const size_t size = 500 - header_of(flow);
    payloads.push_back(
        datagram(frame_of(flow, payload_bytes(size, i + 1), {.sequence = i * 7777u}), i % 2 ? kVni : kOtherVni));
  }
  payloads.push_back(datagram(frame_of(udp, payload_bytes(9), {.id = 0xffff})));
  CHECK_EQ(check_same({}, payloads), 11u);
  CHECK_EQ(check_same({.v6 = true}, payloads), 11u);
}

TEST("vxlan from train: frames whose checksums are open are passed on as such, and completed for who takes none") {
  std::vector<Bytes> payloads;
  for (uint8_t i = 0; i < 6; ++i) {
    const Bytes frame = frame_of({}, payload_bytes(300, i), {.sequence = i * 7777u});  // they do not go together
    payloads.push_back(datagram(with_partial_checksum({}, frame)));
  }
  CHECK_EQ(check_same({}, payloads), 6u);
  CHECK_EQ(check_same({.inside = kTakesTso}, payloads), 6u);
}

TEST("vxlan from train: congestion on the way is told inside") {
  const std::vector<Bytes> inner = stream({}, payload_bytes(4'000), 1000);
  Receiver receiver({.inside = kTakesAll});
  receiver.hear({train(false, datagrams(inner), 3)});
  CHECK_EQ(receiver.container->out.size(), 1u);
  CHECK_EQ(receiver.container->out[0].bytes[15] & 3, 3);
  check_same({}, datagrams(inner), 3);
}

TEST("vxlan from train: datagrams for nobody, or not VXLAN, are dropped as they are one by one") {
  const Bytes frame = frame_of({}, payload_bytes(100));
  check_same({}, {datagram(frame, 77), datagram(frame), datagram(frame, 78)});
  Bytes flags = datagram(frame);
  flags[0] = 0;
  check_same({}, {flags, datagram(frame), flags});
  check_same({}, {Bytes(30, 8), Bytes(30, 8), Bytes(21, 8)});  // the last has no room for a frame
}

TEST("vxlan from train: outer headers that are not for us drop it, once") {
  const std::vector<Bytes> payloads = datagrams(stream({}, payload_bytes(4'000), 1000));
  const auto check_dropped = [&](Counter reason, auto spoil) {
    for (bool v6 : {false, true}) {
      Receiver receiver({.v6 = v6});
      Item item = train(v6, payloads);
      spoil(item.bytes, l3_of(outer_flow(v6)), l4_of(outer_flow(v6)));
      item.bytes = with_ip_checksum(outer_flow(v6), item.bytes);
      receiver.hear({item});
      CHECK_EQ(receiver.lab.total(reason), 1u);
      CHECK(receiver.container->out.empty());
    }
  };
  check_dropped(Counter::drop_underlay_other, [](Bytes& b, size_t, size_t l4) { put16(b, l4 + 2, 53); });
  check_dropped(Counter::drop_underlay_other, [](Bytes& b, size_t, size_t l4) { b[l4 - 1] = 9; });
  check_dropped(Counter::drop_vtep_unknown, [](Bytes& b, size_t, size_t l4) { b[l4 - (l4 > 40 ? 17 : 5)] = 9; });
  check_dropped(Counter::drop_vxlan_truncated, [](Bytes& b, size_t, size_t l4) { put16(b, l4 + 4, 8); });

  Receiver receiver({});
  Item broken = train(false, payloads);
  broken.bytes[24] ^= 1;
  receiver.hear({broken});
  CHECK_EQ(receiver.lab.total(Counter::drop_underlay_checksum), 1u);
}

TEST("vxlan from train: what the kernel left open has been on no wire and is believed, the rest verified") {
  const std::vector<Bytes> payloads = datagrams(stream({}, payload_bytes(4'000), 1000));
  for (bool v6 : {false, true}) {
    const Setup setup{.v6 = v6, .verify = true};
    check_same(setup, payloads);
    Item broken = alone(v6, payloads[0]);
    broken.bytes.back() ^= 1;
    Receiver receiver(setup);
    receiver.hear({broken});
    CHECK_EQ(receiver.lab.total(Counter::drop_underlay_checksum), 1u);
    // A frame inside whose checksum is open makes the outer one wrong (local checksum offload).
    broken.flags = kPartialChecksum | kInnerOffload;
    receiver.hear({broken});
    CHECK_EQ(receiver.lab.total(Counter::drop_underlay_checksum), 1u);
    CHECK_EQ(receiver.container->out.size(), 1u);
  }
}

TEST("vxlan from train: absurd strides, and too few buffers, lose what they must and nothing uncounted") {
  const Bytes frame = frame_of({}, payload_bytes(60'000));
  for (uint16_t stride : {1, 7, 8, 21}) {
    Receiver receiver({});
    Item item = train(false, {datagram(frame)});
    item.segment = stride;
    receiver.hear({item});
    CHECK_EQ(receiver.lab.total(Counter::drop_vxlan_truncated), 1u);
    CHECK_EQ(receiver.lab.total(Counter::drop_pool_empty), 0u);
  }
  for (uint16_t stride : {22, 30, 200, 65000}) {
    Receiver receiver({});
    Item item = train(false, {datagram(frame)});
    item.segment = stride;
    receiver.hear({item});  // checks the accounting
    CHECK(receiver.container->out.size() <= 1);
  }
  std::vector<Bytes> payloads;
  for (uint8_t i = 0; i < 4; ++i) {
    payloads.push_back(datagram(frame_of({}, payload_bytes(9'000, i + 1), {.sequence = i * 77'777u})));
  }
  Receiver receiver({.large = 2});
  receiver.hear({train(false, payloads)});
  CHECK_EQ(receiver.container->out.size(), 2u);
  CHECK_EQ(receiver.lab.total(Counter::drop_pool_empty), 2u);
}

TEST("vxlan from train: any bytes, strides and open checksums keep the accounting and the pools whole") {
  std::mt19937 random(7);
  const std::vector<Flow> flows = all_flows();
  for (bool v6 : {false, true}) {
    Receiver receiver({.v6 = v6});
    for (int turn = 0; turn < 2'000; ++turn) {
      const auto inner =
          stream(flows[random() % flows.size()], payload_bytes(1 + random() % 5'000), 1 + random() % 1'300);
      Item item = train(v6, datagrams(inner), random() % 4);
      for (auto flips = random() % 4; flips > 0; --flips) {
        const size_t within = random() % 2 == 0 ? 120 : item.bytes.size();  // where the headers are, or anywhere
        item.bytes[random() % std::min(within, item.bytes.size())] = static_cast<uint8_t>(random());
      }
      if (random() % 2 == 0) item.bytes = with_ip_checksum(outer_flow(v6), item.bytes);
      if (random() % 8 == 0) item.bytes.resize(1 + random() % item.bytes.size());
      if (random() % 4 == 0) item.segment = static_cast<uint16_t>(random());
      receiver.hear({item});  // checks
      receiver.container->out.clear();
      receiver.other->out.clear();
    }
  }
}
