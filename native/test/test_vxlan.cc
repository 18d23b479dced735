#include "test/lab.h"
#include "wire/checksum.h"

using namespace overlane;
using namespace overlane::test;

namespace {

const Bytes kLeft4 = {192, 168, 77, 1};
const Bytes kRight4 = {192, 168, 77, 2};
const Bytes kLeft6 = hex("fd00 0000 0000 0000 0000 0000 0000 0001");
const Bytes kRight6 = hex("fd00 0000 0000 0000 0000 0000 0000 0002");

IpAddress ip(const Bytes& bytes) {
  return bytes.size() == 4 ? IpAddress::v4(bytes.data()) : IpAddress::v6(bytes.data());
}

// One end of an overlay: a container port and a wire port, the peer told.
struct Node {
  Node(const Bytes& local, const Bytes& remote, uint8_t self, uint8_t peer, uint32_t mtu = 65535,
       std::vector<DomainOptions> domains = {{kNoVlan, 4097}}) {
    container = lab.port();
    wire = lab.port();
    underlay = lab.underlay(wire, local, self, mtu);
    lab.dataplane.set_next_hop(underlay, ip(remote), load_mac(mac(peer).data()));
    BridgeOptions options = Lab::plain();
    options.underlay = underlay;
    options.domains = std::move(domains);
    bridge = lab.bridge({container}, options);
    for (const DomainOptions& wanted : options.domains) {
      lab.dataplane.add_vtep(lab.dataplane.domain_of(bridge, wanted.vlan), ip(remote), true);
    }
  }
  std::vector<Bytes> encapsulated(const Bytes& frame) {
    lab.pass(container, frame);
    return lab.drain(wire);
  }
  std::vector<Bytes> decapsulated(const Bytes& frame) {
    lab.pass(wire, frame);
    return lab.drain(container);
  }
  Lab lab;
  uint16_t container, wire, underlay, bridge;
};

}  // namespace

TEST("vxlan: outer headers byte for byte, IPv4") {
  Node left(kLeft4, kRight4, 0x11, 0x22);
  const Bytes inner = udp_frame(mac(2), mac(1), 1, 2);
  const auto out = left.encapsulated(inner);
  CHECK_EQ(out.size(), 1u);
  Bytes outer = out[0];
  CHECK_EQ(outer.size(), inner.size() + 50);
  CHECK(outer[34] >= 0xc0);  // dynamic source port
  outer[34] = outer[35] = 0;
  CHECK(Bytes(outer.begin(), outer.begin() + 50) ==
        hex("02420a000022 02420a000011 0800 4500 0064 0000 4000 4011 1f35 c0a84d01 c0a84d02 "
            "0000 12b5 0050 0000 08000000 00100100"));
  CHECK(Bytes(outer.begin() + 50, outer.end()) == inner);
}

TEST("vxlan: encapsulating and decapsulating is the identity, both families, checksums right") {
  for (bool v6 : {false, true}) {
    Node left(v6 ? kLeft6 : kLeft4, v6 ? kRight6 : kRight4, 0x11, 0x22);
    Node right(v6 ? kRight6 : kRight4, v6 ? kLeft6 : kLeft4, 0x22, 0x11);
    for (size_t size : {60u, 61u, 64u, 512u, 1400u, 9000u, 65000u}) {
      const Bytes inner = udp_frame(mac(2), mac(1), 1, 2, size);
      const auto wire = left.encapsulated(inner);
      CHECK_EQ(wire.size(), 1u);
      if (v6) {
        const Bytes& o = wire[0];
        const auto length = static_cast<uint32_t>(o.size() - 54);
        CHECK_EQ(checksum_fold(checksum_add(&o[54], length, checksum_pseudo_ipv6(&o[22], &o[38], 17, length))), 0xffff);
      }
      CHECK(right.decapsulated(wire[0]) == std::vector<Bytes>{inner});
    }
  }
}

TEST("vxlan: one flow has one source port, flows spread") {
  Node left(kLeft4, kRight4, 0x11, 0x22);
  std::vector<int> seen(65536);
  int ports = 0;
  for (int i = 0; i < 256; ++i) {
    Bytes inner = udp_frame(mac(2), mac(1), 1, static_cast<uint8_t>(i));
    const Bytes a = left.encapsulated(inner)[0];
    inner[50] ^= 1;
    const Bytes b = left.encapsulated(inner)[0];
    CHECK(a[34] == b[34] && a[35] == b[35]);
    ports += seen[a[34] << 8 | a[35]]++ == 0;
  }
  CHECK(ports > 240);
}

TEST("vxlan: decap refuses what is not for it, each with its counter") {
  Node left(kLeft4, kRight4, 0x11, 0x22);
  Node right(kRight4, kLeft4, 0x22, 0x11);
  const Bytes good = left.encapsulated(udp_frame(mac(2), mac(1), 1, 2))[0];
  auto fix = [](Bytes frame) {
    frame[24] = frame[25] = 0;
    const uint16_t sum = ones_complement(frame, 14, 34);
    frame[24] = static_cast<uint8_t>(sum >> 8);
    frame[25] = static_cast<uint8_t>(sum);
    return frame;
  };
  auto expect = [&](Bytes frame, Counter counter, const char* what) {
    const uint64_t before = right.lab.total(counter);
    const bool quiet = right.decapsulated(frame).empty();
    if (!quiet || right.lab.total(counter) != before + 1) fail(__FILE__, __LINE__, what);
  };
  auto with = [&](size_t at, uint8_t value) {
    Bytes frame = good;
    frame[at] = value;
    return frame;
  };
  expect(with(42, 0), Counter::drop_vxlan_flags, "I flag");
  expect(with(48, 9), Counter::drop_vni_unknown, "VNI");
  expect(fix(with(29, 9)), Counter::drop_vtep_unknown, "source VTEP");
  expect(fix(with(33, 9)), Counter::drop_underlay_other, "destination");
  expect(with(37, 1), Counter::drop_underlay_other, "UDP port");
  expect(with(22, 1), Counter::drop_underlay_checksum, "IPv4 checksum");
  expect(fix(with(20, 0x20)), Counter::drop_underlay_fragment, "fragment");
  expect(fix(with(17, 200)), Counter::drop_underlay_malformed, "total length");
  expect(with(39, 20), Counter::drop_vxlan_truncated, "UDP length");
  expect(arp_request(1, 2), Counter::drop_underlay_other, "ARP");
  CHECK_EQ(right.decapsulated(good).size(), 1u);
  CHECK_EQ(right.decapsulated(with(43, 0xff)).size(), 1u);  // reserved bits are ignored
  CHECK_EQ(right.decapsulated(with(49, 0xff)).size(), 1u);
}

TEST("vxlan: a packet of zeros finds no tunnel in an empty cache") {
  Lab lab;
  const uint16_t wire = lab.port(), container = lab.port();  // carrier 0
  const uint16_t underlay = lab.underlay(wire, kLeft4, 0x11);
  BridgeOptions options = Lab::plain();
  options.underlay = underlay;
  options.domains = {{kNoVlan, 4097}};
  lab.bridge({container}, options);
  Bytes zeros = udp_frame(mac(2), mac(1), 0, 0, 114);
  for (size_t at = 26; at < 38; ++at) zeros[at] = 0;  // addresses and ports
  for (size_t at = 42; at < 50; ++at) zeros[at] = 0;
  zeros[42] = 8;
  zeros[24] = zeros[25] = 0;
  const uint16_t sum = ones_complement(zeros, 14, 34);
  zeros[24] = static_cast<uint8_t>(sum >> 8);
  zeros[25] = static_cast<uint8_t>(sum);
  lab.pass(wire, zeros);
  CHECK_EQ(lab.total(Counter::drop_underlay_other), 1u);
  CHECK_EQ(lab.total(Counter::decapsulated), 0u);
}

TEST("vxlan: cut at every length it never reads past the end") {
  Node left(kLeft4, kRight4, 0x11, 0x22);
  Node right(kRight4, kLeft4, 0x22, 0x11);
  const Bytes good = left.encapsulated(udp_frame(mac(2), mac(1), 1, 2))[0];
  for (size_t length = 0; length < good.size(); ++length) {
    CHECK(right.decapsulated(Bytes(good.begin(), good.begin() + static_cast<long>(length))).empty());
  }
}

TEST("vxlan: VTEPs do not talk through each other") {
  Node node(kLeft4, kRight4, 0x11, 0x22);
  const Bytes third = {192, 168, 77, 3};
  node.lab.dataplane.add_vtep(node.lab.dataplane.domain_of(node.bridge, kNoVlan), ip(third), true);
  Node right(kRight4, kLeft4, 0x22, 0x11);
  const Bytes flooded = right.encapsulated(udp_frame(broadcast(), mac(2), 2, 1))[0];
  CHECK_EQ(node.decapsulated(flooded).size(), 1u);
  CHECK(node.lab.drain(node.wire).empty());
  node.lab.dataplane.add_fdb(
      node.lab.dataplane.domain_of(node.bridge, kNoVlan), load_mac(mac(9).data()),
      node.lab.dataplane.tunnel_to(node.lab.dataplane.domain_of(node.bridge, kNoVlan), ip(third)));
  CHECK(node.decapsulated(right.encapsulated(udp_frame(mac(9), mac(2), 2, 9))[0]).empty());
  CHECK_EQ(node.lab.total(Counter::drop_split_horizon), 1u);
}

TEST("vxlan: VLAN to VNI, the tag off outside and back on inside") {
  const std::vector<DomainOptions> domains = {{100, 5000}, {200, 5001}};
  Node left(kLeft4, kRight4, 0x11, 0x22, 65535, domains);
  Node right(kRight4, kLeft4, 0x22, 0x11, 65535, domains);
  const Bytes plain = udp_frame(mac(2), mac(1), 1, 2);
  for (uint16_t vlan : {100, 200}) {
    const auto wire = left.encapsulated(with_tag(plain, vlan));
    CHECK_EQ(wire.size(), 1u);
    CHECK_EQ(wire[0].size(), plain.size() + 50);
    CHECK_EQ(wire[0][47] << 8 | wire[0][48], vlan == 100 ? 5000 : 5001);
    CHECK(right.decapsulated(wire[0]) == std::vector<Bytes>{with_tag(plain, vlan)});
  }
}

TEST("vxlan: the underlay's MTU, and a next hop nobody named") {
  Node left(kLeft4, kRight4, 0x11, 0x22, 1500);
  CHECK_EQ(left.encapsulated(udp_frame(mac(2), mac(1), 1, 2, 1464)).size(), 1u);
  CHECK_EQ(left.encapsulated(udp_frame(mac(2), mac(1), 1, 2, 1465)).size(), 0u);
  CHECK_EQ(left.lab.total(Counter::drop_mtu), 1u);
  const Bytes third = {192, 168, 77, 3};
  left.lab.dataplane.add_vtep(left.lab.dataplane.domain_of(left.bridge, kNoVlan), ip(third), true);
  CHECK_EQ(left.encapsulated(udp_frame(broadcast(), mac(1), 1, 2)).size(), 1u);
  CHECK_EQ(left.lab.total(Counter::drop_next_hop_unknown), 1u);
}

TEST("vxlan: congestion marks cross the tunnel, RFC 6040") {
  Node left(kLeft4, kRight4, 0x11, 0x22);
  Node right(kRight4, kLeft4, 0x22, 0x11);
  for (uint8_t inner_mark : {0, 1, 2, 3}) {
    Bytes inner = udp_frame(mac(2), mac(1), 1, 2);
    inner[15] = inner_mark;
    inner[24] = inner[25] = 0;
    const uint16_t sum = ones_complement(inner, 14, 34);
    inner[24] = static_cast<uint8_t>(sum >> 8);
    inner[25] = static_cast<uint8_t>(sum);
    Bytes wire = left.encapsulated(inner)[0];
    CHECK_EQ(wire[15], inner_mark == 3 ? 2 : inner_mark);
    CHECK_EQ(checksum_ipv4(&wire[14]), 0xffff);
    const auto before = load<uint16_t>(&wire[14]);
    wire[15] |= 3;
    store(&wire[24], checksum_update(load<uint16_t>(&wire[24]), before, load<uint16_t>(&wire[14])));
    const auto out = right.decapsulated(wire);
    CHECK_EQ(out.size(), inner_mark == 0 ? 0u : 1u);
    if (!out.empty()) {
      CHECK_EQ(out[0][15], 3);
      CHECK_EQ(checksum_ipv4(&out[0][14]), 0xffff);
    }
  }
  CHECK_EQ(right.lab.total(Counter::drop_ecn), 1u);
}

TEST("vxlan: remote MACs are learned from known VTEPs where that is asked for") {
  for (bool learn : {false, true}) {
    Node left(kLeft4, kRight4, 0x11, 0x22);
    Node right(kRight4, kLeft4, 0x22, 0x11);
    const uint16_t extra = right.lab.port();
    right.lab.dataplane.attach(right.bridge, extra, {false, true, 1024});
    right.lab.dataplane.context().domains[right.lab.dataplane.domain_of(right.bridge, kNoVlan)].learn_remote = learn;
    right.decapsulated(left.encapsulated(udp_frame(mac(2), mac(1), 1, 2))[0]);
    right.lab.drain(extra);
    CHECK_EQ(right.encapsulated(udp_frame(mac(1), mac(2), 2, 1)).size(), 1u);
    CHECK_EQ(right.lab.drain(extra).size(), learn ? 0u : 1u);
  }
}
