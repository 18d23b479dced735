// Super-frames towards a frame underlay: as trains where the port takes them, with the datagrams that it gets
// otherwise.
#include "test/item_port.h"
#include "test/lab.h"

using namespace overlane;
using namespace overlane::test;

namespace {

constexpr uint8_t kTakesAll = kTakesPartialChecksum | kTakesTso | kTakesUso | kTakesTrains;
constexpr uint16_t kVlan = 100;

struct Setup {
  bool v6 = false;
  uint8_t wire = kTakesAll;  // what the carrier takes
  uint32_t mtu = 65535;
  uint16_t vlan = kNoVlan;  // mapped to the VNI: its tag stays here
  bool resolved = true;
  uint32_t large = 64;
};

IpAddress vtep(bool v6, uint8_t last) {
  Bytes bytes = v6 ? hex("fd00 0000 0000 0000 0000 0000 0000 0000") : Bytes{192, 168, 77, 0};
  bytes.back() = last;
  return v6 ? IpAddress::v6(bytes.data()) : IpAddress::v4(bytes.data());
}

// A container and the wire; broadcasts, and what goes to an unknown MAC, leave through a tunnel.
struct Sender {
  explicit Sender(const Setup& setup) : lab(options_of(setup)) {
    auto container_port = std::make_unique<ItemPort>(kTakesAll);
    auto wire_port = std::make_unique<ItemPort>(setup.wire);
    container = container_port.get();
    wire = wire_port.get();
    const uint16_t inside = lab.dataplane.add_port(std::move(container_port), 65535);
    UnderlayOptions options;
    options.port = lab.dataplane.add_port(std::move(wire_port), 65535);
    options.udp_port = 4789;
    options.mtu = setup.mtu;
    options.local = vtep(setup.v6, 1);
    options.mac = load_mac(mac(0x11).data());
    options.send_checksum = true;
    BridgeOptions bridge = Lab::plain();
    bridge.underlay = lab.dataplane.add_underlay(options);
    bridge.domains = {{setup.vlan, 4097}};
    if (setup.resolved) lab.dataplane.set_next_hop(bridge.underlay, vtep(setup.v6, 2), load_mac(mac(0x22).data()));
    const uint16_t domain = lab.dataplane.domain_of(lab.bridge({inside}, bridge), setup.vlan);
    lab.dataplane.add_vtep(domain, vtep(setup.v6, 2), true);
  }
  static DataplaneOptions options_of(const Setup& setup) {
    DataplaneOptions options;
    options.large_packets = setup.large;
    return options;
  }
  const std::deque<Item>& send(const std::vector<Item>& items) {
    wire->out.clear();
    container->in.insert(container->in.end(), items.begin(), items.end());
    lab.run();
    return wire->out;
  }

  Lab lab;
  ItemPort* container;
  ItemPort* wire;
};

Item super_frame(const Flow& flow, size_t payload, uint16_t segment) {
  return {with_partial_checksum(flow, frame_of(flow, payload_bytes(payload), {.flags = kAckPush})),
          {},
          segment,
          kPartialChecksum};
}

// What a NIC makes of a train; its own headers are checked.
std::vector<Bytes> pulled_apart(const Item& train, bool v6) {
  const Flow outer = outer_flow(v6);
  const size_t header = header_of(outer), l3 = l3_of(outer), l4 = l4_of(outer);
  CHECK_EQ(train.flags, kPartialChecksum | kTrain);
  CHECK(train.bytes.size() < 65536);
  CHECK(with_partial_checksum(outer, train.bytes) == train.bytes);
  CHECK(with_ip_checksum(outer, train.bytes) == train.bytes);
  std::vector<Bytes> out;
  for (size_t at = header; at < train.bytes.size(); at += train.segment) {
    const size_t size = std::min<size_t>(train.segment, train.bytes.size() - at);
    Bytes one = join({slice(train.bytes, 0, header), slice(train.bytes, at, size)});
    const size_t whole = train.bytes[l4 + 4] << 8 | train.bytes[l4 + 5];
    CHECK_EQ(whole, train.bytes.size() - l4);
    put16(one, l4 + 4, one.size() - l4);
    put16(one, v6 ? l3 + 4 : l3 + 2, one.size() - (v6 ? l4 : l3));
    out.push_back(with_right_checksum(outer, with_ip_checksum(outer, one)));
  }
  CHECK(out.size() >= 2 && out.size() <= 64);
  return out;
}

std::vector<Bytes> datagrams(const std::deque<Item>& sent, bool v6) {
  std::vector<Bytes> out;
  for (const Item& item : sent) {
    const auto some = item.segment == 0 ? std::vector<Bytes>{item.bytes} : pulled_apart(item, v6);
    out.insert(out.end(), some.begin(), some.end());
  }
  return out;
}

size_t trains_of(const std::deque<Item>& sent) {
  return static_cast<size_t>(std::count_if(sent.begin(), sent.end(), [](const Item& i) { return i.segment != 0; }));
}

// The same leaves as without trains, and is counted so.
void check_same(Setup setup, const std::vector<Item>& items, size_t trains, size_t alone) {
  Sender with(setup);
  const auto& sent = with.send(items);
  CHECK_EQ(trains_of(sent), trains);
  CHECK_EQ(sent.size() - trains_of(sent), alone);
  setup.wire = 0;
  Sender without(setup);
  const std::vector<Bytes> expected = datagrams(without.send(items), setup.v6);
  CHECK(!expected.empty());
  CHECK(datagrams(sent, setup.v6) == expected);
  for (Counter counter : {Counter::tx_packets, Counter::tx_bytes, Counter::encapsulated}) {
    CHECK_EQ(with.lab.total(counter), without.lab.total(counter));
  }
  CHECK_EQ(with.lab.total(Counter::segmented) - with.lab.total(Counter::coalesced),
           without.lab.total(Counter::segmented));
}

}  // namespace

TEST("vxlan train: every kind of super-frame leaves as one packet with the datagrams that it was cut into before") {
  for (bool v6 : {false, true}) {
    for (const Flow& flow : all_flows()) {
      check_same({.v6 = v6}, {super_frame(flow, 30'000, 1300)}, 1, 0);
      check_same({.v6 = v6}, {super_frame(flow, 2'600, 1300)}, 1, 0);
      check_same({.v6 = v6}, {super_frame(flow, 601, 600)}, 1, 0);
    }
  }
}

TEST("vxlan train: outer headers byte for byte, IPv4") {
  Sender sender(Setup{});
  const Flow flow;
  const Item super = super_frame(flow, 2'000, 1000);
  const auto& sent = sender.send({super});
  CHECK_EQ(sent.size(), 1u);
  Bytes outer = slice(sent[0].bytes, 0, 50);
  CHECK(outer[34] >= 0xc0);  // dynamic source port
  outer[34] = outer[35] = 0;
  // 20 + 8 + 2 * (8 + 54 + 1000) bytes; the checksum is the sum of the pseudo-header with 2132.
  CHECK(outer == hex("02420a000022 02420a000011 0800 4502 0868 0000 4000 4011 172f c0a84d01 c0a84d02"
                     "0000 12b5 0854 23ba 08000000 00100100"));
  CHECK_EQ(sent[0].segment, 8u + 54 + 1000);
  const auto inner = segments_of(super.bytes, super.segment);
  CHECK(slice(sent[0].bytes, 50, 1054) == inner[0]);
  CHECK(slice(sent[0].bytes, 1104, 8) == hex("08000000 00100100"));
  CHECK(slice(sent[0].bytes, 1112, 1054) == inner[1]);
}

TEST("vxlan train: more than a train holds goes on in another, and one left over goes alone") {
  const Flow flow;
  const size_t most = 44;  // of 8 + 54 + 1396 bytes in 64 KiB
  check_same({}, {super_frame(flow, 1396 * most, 1396)}, 1, 0);
  check_same({}, {super_frame(flow, 1396 * most + 1, 1396)}, 1, 1);
  check_same({}, {super_frame(flow, 1396 * (most + 2), 1396)}, 2, 0);
  check_same({.v6 = true}, {super_frame(flow, 65'000, 1396)}, 2, 0);
  check_same({}, {super_frame(flow, 100 * 64, 100)}, 1, 0);
  check_same({}, {super_frame(flow, 100 * 65, 100)}, 1, 1);
  check_same({}, {super_frame(flow, 100 * 200 + 7, 100)}, 4, 0);
  check_same({}, {super_frame(flow, 60'000, 29'000)}, 1, 1);  // jumbo frames
  check_same({}, {super_frame(flow, 60'000, 40'000)}, 1, 0);
  check_same({}, {super_frame(flow, 60'000, 59'999)}, 1, 0);
}

TEST("vxlan train: what goes before and after a super-frame keeps its place") {
  const auto frame = [](uint8_t i) { return Item{udp_frame(mac(2), mac(1), 1, 2, 100u + i)}; };
  const Flow tcp, udp{.tcp = false};
  check_same({},
             {frame(1), super_frame(tcp, 9'000, 1300), frame(2), frame(3), super_frame(udp, 4'000, 1000),
              super_frame(tcp, 9'000, 1300), frame(4), super_frame(tcp, 1'000, 1300)},
             3, 5);
}

TEST("vxlan train: the tag of a mapped VLAN stays here, and one behind it goes along") {
  for (unsigned tags : {1u, 2u}) {
    const Flow flow{.tags = tags};
    Item super = super_frame(flow, 1396 * 44 + 100, 1396);  // all but the last in a train
    put16(super.bytes, 12, 0x8100);
    put16(super.bytes, 14, kVlan);
    check_same({.vlan = kVlan}, {super}, 1, 1);
    check_same({.mtu = 1000, .vlan = kVlan}, {super_frame({.tags = 0}, 100, 100), super}, 0, 1);
  }
}

TEST("vxlan train: what is too big, unfinished or without a next hop goes as before") {
  const Flow flow;
  // The whole segments are too big for the MTU, the last is not.
  check_same({.mtu = 1400}, {super_frame(flow, 1396 * 10 + 5, 1396)}, 0, 1);
  Sender small(Setup{.mtu = 1400});
  small.send({super_frame(flow, 1396 * 10 + 5, 1396)});
  CHECK_EQ(small.lab.total(Counter::drop_mtu), 10u);
  // Just fits: 20 + 8 + 8 + 54 + 1396.
  check_same({.mtu = 1486}, {super_frame(flow, 1396 * 10, 1396)}, 1, 0);

  Sender nowhere(Setup{.resolved = false});
  CHECK(nowhere.send({super_frame(flow, 13'000, 1300)}).empty());
  CHECK_EQ(nowhere.lab.total(Counter::drop_next_hop_unknown), 10u);

  Sender nested(Setup{});
  Item inner = super_frame(flow, 13'000, 1300);
  inner.flags |= kInnerOffload;
  CHECK(nested.send({inner}).empty());
  CHECK_EQ(nested.lab.total(Counter::drop_offload), 1u);
}

TEST("vxlan train: without a buffer for a train beside it a super-frame is cut first, and nothing is lost") {
  const Flow flow;
  check_same({.large = 1}, {super_frame(flow, 13'000, 1300)}, 1, 0);
  check_same({.large = 2}, {super_frame(flow, 13'000, 1300)}, 1, 0);
  check_same({.large = 1}, {super_frame(flow, 1396 * 46, 1396)}, 1, 2);
  check_same({.large = 2}, {super_frame(flow, 1396 * 46, 1396)}, 2, 0);
}

TEST("vxlan train: ordinary packets of a flow that follow each other leave as one, and others as they are") {
  const auto frame = [](size_t size, uint8_t seed, bool tcp = false) {
    return Item{frame_of({.tcp = tcp}, payload_bytes(size, seed))};
  };
  const auto many = [&](size_t count, size_t size) {
    std::vector<Item> out;
    for (size_t i = 0; i < count; ++i) out.push_back(frame(size, static_cast<uint8_t>(i)));
    return out;
  };
  check_same({}, many(2, 18), 1, 0);
  check_same({.v6 = true}, many(64, 18), 1, 0);
  check_same({}, many(65, 18), 1, 1);
  check_same({}, many(100, 1400), 3, 0);
  check_same({}, {frame(100, 1), frame(100, 2), frame(7, 3), frame(100, 4)}, 1, 1);
  check_same({}, {frame(7, 1), frame(8, 2), frame(9, 3)}, 0, 3);
  check_same({}, {frame(50, 1), frame(38, 2, true), frame(50, 3)}, 0, 3);
  check_same({.large = 1}, many(64, 1400), 1, 19);  // 45 of 1450 bytes fill the one buffer
}

TEST("vxlan train: with a checksum left open packets make a train all the same, and captures see them one by one") {
  const Flow flow{.tcp = false};
  const auto open = [&](uint8_t seed) {
    return Item{with_partial_checksum(flow, frame_of(flow, payload_bytes(18, seed))), {}, 0, kPartialChecksum};
  };
  check_same({}, {open(1), open(2), open(3)}, 1, 0);
  Sender captured(Setup{});
  CaptureRing ring(4096, 100);
  captured.lab.dataplane.add_mirror(1, &ring);

  CHECK_EQ(captured.send({open(1), open(2), open(3)}).size(), 3u);
}

TEST("vxlan train: one that the port has no room for is as many drops as datagrams") {
  Sender sender(Setup{});
  sender.wire->room = 1;
  const Flow other{.tcp = false, .udp_checksum = false};
  std::vector<Item> items;
  for (uint8_t i = 0; i < 5; ++i) items.push_back({frame_of({}, payload_bytes(100, i))});
  for (uint8_t i = 0; i < 3; ++i) items.push_back({frame_of(other, payload_bytes(100, i))});
  CHECK_EQ(sender.send(items).size(), 1u);  // which checks the accounting
  CHECK_EQ(sender.lab.total(Counter::tx_packets), 5u);
  CHECK_EQ(sender.lab.total(Counter::drop_port_full), 3u);
}
