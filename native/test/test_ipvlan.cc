// ipvlan: containers told apart by their addresses, on a link (l2) and behind a router (l3).
#include "test/parent_lab.h"

using namespace overlane;
using namespace overlane::test;

namespace {

constexpr uint8_t kShared = 0x50, kOutside = 0x99;

Bytes six(uint8_t last) {
  Bytes ip = hex("fd000000000000000000000000000000");
  ip[15] = last;
  return ip;
}
Bytes link_local() {
  return hex("fe8000000000000000420afffe000050");
}

BridgeOptions options_of(Forwarding forwarding) {
  BridgeOptions options = ParentLab::forwarding(forwarding);
  options.policy.mac = load_mac(mac(kShared).data());
  return options;
}

// Containers 1 and 2 with 10.0.0.n and fd00::n.
struct Network : ParentLab {
  explicit Network(Forwarding forwarding) : ParentLab(options_of(forwarding)) {
    AttachOptions uplink;
    uplink.uplink = true;
    uplink.uplink_mac = load_mac(mac(kOutside).data());
    for (uint8_t i = 0; i <= 2; ++i) {
      ports.push_back(lab.port());
      lab.dataplane.attach(bridge, ports[i], i == 0 ? uplink : AttachOptions{});
      if (i == 0) continue;
      const uint8_t four[4] = {10, 0, 0, i};
      lab.dataplane.add_address(domain, IpAddress::v4(four), ports[i]);
      lab.dataplane.add_address(domain, IpAddress::v6(six(i).data()), ports[i]);
    }
  }
};

Bytes four(uint8_t to_mac, uint8_t from_mac, uint8_t source, uint8_t destination) {
  return udp_frame(mac(to_mac), mac(from_mac), source, destination);
}

Bytes ip6(Bytes to, uint8_t from_mac, uint8_t protocol, Bytes source, Bytes destination, Bytes payload) {
  Bytes header = hex("60000000 0000 00 ff");
  header[5] = static_cast<uint8_t>(payload.size());
  header[6] = protocol;
  return join({to, mac(from_mac), hex("86dd"), header, source, destination, payload});
}

Bytes with_icmp_checksum(Bytes frame) {
  const size_t l4 = 54;
  const Bytes pseudo = join({Bytes(frame.begin() + 22, frame.begin() + l4),
                             {0, 0, 0, static_cast<uint8_t>(frame.size() - l4), 0, 0, 0, 58},
                             Bytes(frame.begin() + l4, frame.end())});
  const uint16_t sum = ones_complement(pseudo, 0, pseudo.size());
  frame[l4 + 2] = static_cast<uint8_t>(sum >> 8);
  frame[l4 + 3] = static_cast<uint8_t>(sum);
  return frame;
}

Bytes solicitation(uint8_t from_mac, Bytes source, Bytes target) {
  const Bytes to = join({hex("3333ff"), Bytes(target.begin() + 13, target.end())});
  const Bytes group = join({hex("ff02000000000000000000 01ff"), Bytes(target.begin() + 13, target.end())});
  Bytes body = join({hex("87 00 0000 00000000"), target, hex("01 01"), mac(from_mac)});
  if (source == Bytes(16, 0)) body.resize(24);
  return with_icmp_checksum(ip6(to, from_mac, 58, source, group, body));
}
Bytes advertisement(uint8_t from_mac, Bytes source, Bytes target) {
  const Bytes all = hex("ff020000000000000000000000000001");
  return with_icmp_checksum(ip6(hex("333300000001"), from_mac, 58, source, all,
                                join({hex("88 00 0000 20000000"), target, hex("02 01"), mac(from_mac)})));
}

Bytes arp(uint8_t operation, Bytes to, uint8_t from_mac, Bytes sender, uint8_t target) {
  const Bytes kind = {0, operation};
  return join(
      {to, mac(from_mac), hex("0806 0001 0800 0604"), kind, mac(from_mac), sender, Bytes(6, 0), {10, 0, 0, target}});
}
const Bytes kZero4 = {0, 0, 0, 0};

Bytes own(uint8_t last) {
  return {10, 0, 0, last};
}

Bytes dhcp_discover() {
  Bytes frame = udp_frame(broadcast(), mac(kShared), 0, 255, 300);
  std::fill(frame.begin() + 26, frame.begin() + 30, 0);
  std::fill(frame.begin() + 30, frame.begin() + 34, 255);
  frame[35] = 68, frame[34] = 0, frame[36] = 0, frame[37] = 67;
  return frame;
}

}  // namespace

TEST("ipvlan-l2: from a container, by destination IP or to the link; only from its own addresses") {
  Network n(Forwarding::ipvlan_l2);
  const auto sent = [&](const Bytes& frame) { return n.send(1, frame); };
  CHECK_EQ(sent(four(kShared, kShared, 1, 2)), "2");
  CHECK_EQ(sent(four(kShared, kShared, 1, 1)), "drop_same_port");
  CHECK_EQ(sent(four(kShared, kShared, 1, 3)), "drop_not_ours");
  CHECK_EQ(sent(four(kOutside, kShared, 1, 2)), "0");
  CHECK_EQ(sent(four(kOutside, kShared, 1, 77)), "0");
  CHECK_EQ(sent(udp_frame(broadcast(), mac(kShared), 1, 255)), "02");
  CHECK_EQ(sent(four(kOutside, kShared, 2, 77)), "drop_source_address");
  CHECK_EQ(sent(four(kOutside, kShared, 9, 77)), "drop_source_address");
  CHECK_EQ(sent(four(kOutside, 7, 1, 77)), "drop_source_static");
  CHECK_EQ(sent(dhcp_discover()), "02");
  Bytes nobody = four(kOutside, kShared, 0, 77);
  std::fill(nobody.begin() + 26, nobody.begin() + 30, 0);
  CHECK_EQ(sent(nobody), "drop_source_address");
  CHECK_EQ(sent(arp(1, broadcast(), kShared, own(1), 2)), "02");
  CHECK_EQ(sent(arp(1, broadcast(), kShared, kZero4, 1)), "02");  // a probe, RFC 5227
  CHECK_EQ(sent(arp(2, mac(kShared), kShared, own(1), 2)), "2");
  CHECK_EQ(sent(arp(2, mac(kOutside), kShared, own(1), 99)), "0");
  CHECK_EQ(sent(arp(2, broadcast(), kShared, own(2), 2)), "drop_source_address");
  CHECK_EQ(sent(arp(2, broadcast(), kShared, kZero4, 2)), "drop_source_address");
  Bytes foreign = arp(1, broadcast(), kShared, own(1), 2);
  foreign[22] ^= 4;  // another MAC inside
  CHECK_EQ(sent(foreign), "drop_source_address");
}

TEST("ipvlan-l2: IPv6 of a container, and what neighbor discovery may claim") {
  Network n(Forwarding::ipvlan_l2);
  const auto sent = [&](const Bytes& frame) { return n.send(1, frame); };
  const Bytes udp = hex("04d207d0 0008 0000"), shared = mac(kShared);
  CHECK_EQ(sent(ip6(shared, kShared, 17, six(1), six(2), udp)), "2");
  CHECK_EQ(sent(ip6(mac(kOutside), kShared, 17, six(1), six(9), udp)), "0");
  CHECK_EQ(sent(ip6(mac(kOutside), kShared, 17, six(2), six(9), udp)), "drop_source_address");
  CHECK_EQ(sent(ip6(mac(kOutside), kShared, 17, link_local(), six(9), udp)), "drop_source_address");
  CHECK_EQ(sent(solicitation(kShared, six(1), six(2))), "02");
  CHECK_EQ(sent(solicitation(kShared, Bytes(16, 0), six(1))), "02");
  CHECK_EQ(sent(solicitation(kShared, link_local(), six(9))), "02");
  CHECK_EQ(sent(solicitation(kShared, six(2), six(9))), "drop_source_address");
  CHECK_EQ(sent(advertisement(kShared, six(1), six(1))), "02");
  CHECK_EQ(sent(advertisement(kShared, six(1), six(9))), "drop_source_address");
  CHECK_EQ(sent(advertisement(kShared, link_local(), six(2))), "drop_source_address");
  // Not a router, whatever it says from its link-local address.
  const Bytes all = hex("ff020000000000000000000000000001"),
              says_router = hex("86 00 0000 40 00 0708 00000000 00000000");
  CHECK_EQ(sent(with_icmp_checksum(ip6(hex("333300000001"), kShared, 58, link_local(), all, says_router))),
           "drop_source_address");
  // ::ffff:10.0.0.1 would be taken for 10.0.0.1.
  CHECK_EQ(sent(ip6(shared, kShared, 17, hex("00000000000000000000ffff0a000001"), six(2), udp)), "drop_not_ip");
  CHECK_EQ(sent(ip6(shared, kShared, 17, six(1), hex("00000000000000000000ffff0a000002"), udp)), "drop_not_ip");
}

TEST("ipvlan-l2: from the link, by destination IP, ARP by its target") {
  Network n(Forwarding::ipvlan_l2);
  const auto sent = [&](const Bytes& frame) { return n.send(0, frame); };
  CHECK_EQ(sent(four(kShared, kOutside, 77, 2)), "2");
  CHECK_EQ(sent(four(kShared, kOutside, 77, 3)), "drop_not_ours");
  CHECK_EQ(sent(four(1, kOutside, 77, 2)), "drop_not_ours");
  CHECK_EQ(sent(ip6(mac(kShared), kOutside, 17, six(9), six(1), hex("04d207d0 0008 0000"))), "1");
  CHECK_EQ(sent(arp(2, mac(kShared), kOutside, own(77), 2)), "2");
  CHECK_EQ(sent(arp(1, broadcast(), kOutside, own(77), 2)), "12");
  CHECK_EQ(sent(solicitation(kOutside, six(9), six(1))), "12");
  CHECK_EQ(sent(udp_frame(broadcast(), mac(kShared), 1, 255)), "drop_echo");
  CHECK_EQ(sent(four(kShared, kShared, 1, 2)), "drop_echo");
  CHECK_EQ(sent(udp_frame(mac(kShared), broadcast(), 77, 2)), "drop_source_invalid");
}

TEST("ipvlan: what is not IP, or in a VLAN, has no place there") {
  for (Forwarding forwarding : {Forwarding::ipvlan_l2, Forwarding::ipvlan_l3}) {
    Network n(forwarding);
    const Bytes local = four(kShared, kShared, 1, 2);
    Bytes lldp = local;
    lldp[12] = 0x88, lldp[13] = 0xcc;
    Bytes cut = local;
    cut.resize(30);
    for (size_t from : {0, 1}) {
      CHECK_EQ(n.send(from, lldp), "drop_not_ip");
      CHECK_EQ(n.send(from, cut), "drop_not_ip");
      CHECK_EQ(n.send(from, with_tag(local, 5)), "drop_vlan_unknown");
      CHECK_EQ(n.send(from, with_tag(with_tag(local, 5), 0)), "drop_vlan_unknown");
    }
    CHECK_EQ(n.send(1, with_tag(local, 0)), "2");
    CHECK(n.last() == local);
  }
}

TEST("ipvlan-l3: no link, only a router behind every address") {
  Network n(Forwarding::ipvlan_l3);
  const auto sent = [&](const Bytes& frame) { return n.send(1, frame); };
  const Bytes out = four(kShared, kShared, 1, 77);
  CHECK_EQ(sent(out), "0");
  Bytes expected = four(kOutside, kShared, 1, 77);  // and the TTL as it was
  CHECK(n.last() == expected);
  CHECK_EQ(sent(four(kShared, kShared, 1, 2)), "2");
  CHECK(n.last() == four(kShared, kShared, 1, 2));
  CHECK_EQ(sent(four(0x33, kShared, 1, 2)), "2");
  CHECK(n.last() == four(kShared, kShared, 1, 2));
  CHECK_EQ(sent(four(kShared, kShared, 1, 1)), "drop_same_port");
  CHECK_EQ(sent(four(kShared, kShared, 2, 77)), "drop_source_address");
  CHECK_EQ(sent(udp_frame(broadcast(), mac(kShared), 1, 255)), "drop_broadcast");
  CHECK_EQ(sent(udp_frame(hex("01005e000001"), mac(kShared), 1, 2)), "drop_multicast");
  Bytes group = out;
  group[30] = 224;
  CHECK_EQ(sent(group), "drop_multicast");
  const Bytes udp = hex("04d207d0 0008 0000");
  CHECK_EQ(sent(ip6(mac(kShared), kShared, 17, six(1), six(9), udp)), "0");
  CHECK_EQ(sent(ip6(mac(kShared), kShared, 17, six(1), link_local(), udp)), "drop_not_ours");
  CHECK_EQ(sent(ip6(mac(kShared), kShared, 17, six(1), hex("ff020000000000000000000000000001"), udp)),
           "drop_multicast");
  CHECK_EQ(sent(dhcp_discover()), "drop_broadcast");
  const auto came = [&](const Bytes& frame) { return n.send(0, frame); };
  CHECK_EQ(came(four(kShared, kOutside, 77, 2)), "2");
  CHECK_EQ(came(four(kShared, kOutside, 77, 3)), "drop_not_ours");
  CHECK_EQ(came(udp_frame(broadcast(), mac(kOutside), 77, 2)), "drop_broadcast");
  n.lab.dataplane.detach(n.bridge, n.ports[0]);
  CHECK_EQ(sent(out), "drop_no_destination");
}

TEST("ipvlan-l3: ARP is answered for every address, but not a question of whether one is alone") {
  Network n(Forwarding::ipvlan_l3);
  const auto answer = [](uint8_t to, Bytes asker, uint8_t target) {
    return join({mac(to), mac(kShared), hex("0806 0001 0800 0604 0002"), mac(kShared), own(target), mac(to), asker});
  };
  for (uint8_t target : {uint8_t{2}, uint8_t{77}}) {
    CHECK_EQ(n.send(1, arp(1, broadcast(), kShared, own(1), target)), "1");
    CHECK(n.last() == answer(kShared, own(1), target));
  }
  CHECK_EQ(n.send(1, arp(1, mac(kShared), kShared, own(1), 77)), "1");  // is it still there?
  CHECK_EQ(n.send(1, arp(1, broadcast(), kShared, own(1), 1)), "drop_broadcast");
  CHECK_EQ(n.send(1, arp(1, broadcast(), kShared, kZero4, 1)), "drop_broadcast");
  CHECK_EQ(n.send(1, arp(1, broadcast(), kShared, kZero4, 9)), "drop_broadcast");
  CHECK_EQ(n.send(1, arp(1, broadcast(), kShared, own(2), 9)), "drop_source_address");
  CHECK_EQ(n.send(1, arp(2, mac(kShared), kShared, own(1), 2)), "drop_not_ours");
  // The router may ask for containers, and probe for them.
  CHECK_EQ(n.send(0, arp(1, broadcast(), kOutside, own(77), 2)), "0");
  CHECK(n.last() == answer(kOutside, own(77), 2));
  CHECK_EQ(n.send(0, arp(1, broadcast(), kOutside, kZero4, 2)), "0");
  CHECK_EQ(n.send(0, arp(1, broadcast(), kOutside, own(77), 3)), "drop_broadcast");
  CHECK_EQ(n.send(0, arp(1, broadcast(), kOutside, own(2), 2)), "drop_broadcast");
  CHECK_EQ(n.lab.total(Counter::arp_replied), 5u);
}

TEST("ipvlan-l3: neighbor solicitations are answered, too") {
  Network n(Forwarding::ipvlan_l3);
  const auto answer = [](uint8_t to, Bytes asker, Bytes target) {
    return with_icmp_checksum(ip6(mac(to), kShared, 58, target, asker,
                                  join({hex("88 00 0000 60000000"), target, hex("02 01"), mac(kShared)})));
  };
  CHECK_EQ(n.send(1, solicitation(kShared, six(1), six(9))), "1");
  CHECK(n.last() == answer(kShared, six(1), six(9)));
  CHECK_EQ(n.send(1, solicitation(kShared, link_local(), six(2))), "1");
  CHECK_EQ(n.send(1, solicitation(kShared, Bytes(16, 0), six(1))), "drop_multicast");
  CHECK_EQ(n.send(1, solicitation(kShared, six(1), six(1))), "drop_multicast");
  CHECK_EQ(n.send(1, advertisement(kShared, six(1), six(1))), "drop_multicast");
  Bytes broken = solicitation(kShared, six(1), six(9));
  broken[56] ^= 1;
  CHECK_EQ(n.send(1, broken), "drop_multicast");
  CHECK_EQ(n.send(0, solicitation(kOutside, six(9), six(2))), "0");
  CHECK(n.last() == answer(kOutside, six(9), six(2)));
  CHECK_EQ(n.send(0, solicitation(kOutside, six(9), six(3))), "drop_multicast");
  CHECK_EQ(n.lab.total(Counter::nd_replied), 3u);
}

TEST("ipvlan: addresses move, go with their container, and are bounded") {
  DataplaneOptions few;
  few.neighbor_entries = 5;
  Lab lab(few);
  const uint16_t a = lab.port(), b = lab.port(), bridge = lab.bridge({a, b}, options_of(Forwarding::ipvlan_l2));
  const uint16_t domain = lab.dataplane.domain_of(bridge, kNoVlan);
  const auto add = [&](uint8_t last, uint16_t port) {
    return lab.dataplane.add_address(domain, IpAddress::v4(own(last).data()), port);
  };
  for (uint8_t i = 1; i <= 5; ++i) CHECK(add(i, i < 5 ? a : b));
  CHECK(!add(6, a));
  CHECK(add(4, b));  // known already
  lab.pass(b, four(kShared, kShared, 4, 1));
  CHECK_EQ(lab.drain(a).size(), 1u);
  CHECK(lab.dataplane.remove_address(domain, IpAddress::v4(own(1).data())));
  CHECK(!lab.dataplane.remove_address(domain, IpAddress::v4(own(1).data())));
  lab.pass(b, four(kShared, kShared, 4, 1));
  CHECK_EQ(lab.total(Counter::drop_not_ours), 1u);
  lab.dataplane.detach(bridge, a);
  CHECK_EQ(lab.dataplane.context().addresses.size(), 2u);
  lab.dataplane.remove_bridge(bridge);
  CHECK_EQ(lab.dataplane.context().addresses.size(), 0u);
}
