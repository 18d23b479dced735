#include "test/lab.h"
#include "wire/checksum.h"

using namespace overlane;
using namespace overlane::test;

namespace {

struct Proxy {
  explicit Proxy(bool snooping = false, bool flood_miss = true) {
    a = lab.port();
    b = lab.port();
    BridgeOptions options = Lab::plain();
    options.policy.proxy_arp = true;
    options.policy.arp_snooping = snooping;
    options.policy.flood_miss = flood_miss;
    bridge = lab.bridge({a, b}, options);
    domain = lab.dataplane.domain_of(bridge, kNoVlan);
  }
  void know(const Bytes& address, uint8_t mac_last) {
    lab.dataplane.add_neighbor(domain,
                               address.size() == 4 ? IpAddress::v4(address.data()) : IpAddress::v6(address.data()),
                               load_mac(mac(mac_last).data()));
  }
  Lab lab;
  uint16_t a, b, bridge, domain;
};

const Bytes kTarget6 = hex("fe80000000000000 0000000000000002");

// RFC 4861, section 4.3; with or without a source address and its option.
Bytes solicitation(bool probe) {
  const Bytes source = probe ? Bytes(16, 0) : hex("fe80000000000000 0000000000000001");
  const Bytes option = probe ? Bytes{} : join({{1, 1}, mac(1)});
  Bytes frame = join({hex("3333ff000002"),
                      mac(1),
                      hex("86dd 60000000 00"),
                      {static_cast<uint8_t>(24 + option.size())},
                      hex("3a ff"),
                      source,
                      hex("ff02000000000000 00000001ff000002"),
                      hex("87 00 0000 00000000"),
                      kTarget6,
                      option});
  const auto length = static_cast<uint32_t>(24 + option.size());
  Bytes summed = join({Bytes(frame.begin() + 22, frame.end()), {0, 0, 0, static_cast<uint8_t>(length), 0, 0, 0, 58}});
  const uint16_t sum = ones_complement(summed, 0, summed.size());
  frame[56] = static_cast<uint8_t>(sum >> 8);
  frame[57] = static_cast<uint8_t>(sum);
  return frame;
}

}  // namespace

TEST("proxy_arp: answers for a known neighbor, in place, to the port that asked") {
  Proxy p;
  p.know({10, 0, 0, 4}, 4);
  p.lab.pass(p.a, arp_request(2, 4));
  const Bytes reply =
      join({mac(2), mac(4), hex("0806 0001 0800 0604 0002"), mac(4), {10, 0, 0, 4}, mac(2), {10, 0, 0, 2}});
  CHECK(p.lab.drain(p.a) == std::vector<Bytes>{reply});
  CHECK(p.lab.drain(p.b).empty());
  CHECK_EQ(p.lab.total(Counter::arp_replied), 1u);
  p.lab.pass(p.a, with_tag(arp_request(2, 4), 9));
  CHECK(p.lab.drain(p.a) == std::vector<Bytes>{with_tag(reply, 9)});
}

TEST("proxy_arp: an unknown address raises one miss and follows the policy") {
  for (bool flood : {true, false}) {
    Proxy p(false, flood);
    p.lab.pass(p.a, arp_request(2, 77), 1'000'000'000);
    p.lab.pass(p.a, arp_request(2, 77), 2'000'000'000);
    CHECK(p.lab.drain(p.a).empty());
    CHECK_EQ(p.lab.drain(p.b).size(), flood ? 2u : 0u);
    CHECK_EQ(p.lab.total(Counter::drop_neighbor_unknown), flood ? 0u : 2u);
    const auto misses = p.lab.dataplane.context().misses.take();
    CHECK_EQ(misses.size(), 1u);
    CHECK_EQ(misses[0].time, 1'000'000'000);
    CHECK_EQ(p.lab.total(Counter::miss), 1u);
  }
}

TEST("proxy_arp: leaves alone announcements, replies, other hardware, and questions of the owner's own port") {
  Proxy p;
  p.know({10, 0, 0, 4}, 4);
  p.lab.pass(p.a, arp_request(4, 4));
  Bytes reply = arp_request(2, 4);
  reply[21] = 2;
  p.lab.pass(p.a, reply);
  Bytes other = arp_request(2, 4);
  other[15] = 6;
  p.lab.pass(p.a, other);
  p.lab.pass(p.b, arp_request(4, 9));  // 4 lives on b …
  p.lab.pass(p.b, arp_request(2, 4));  // … so b's question is answered by 4 itself
  CHECK_EQ(p.lab.total(Counter::arp_replied), 0u);
  CHECK_EQ(p.lab.drain(p.b).size(), 3u);
}

TEST("proxy_arp: snooping is off unless asked for, and learns only what the sender may claim") {
  for (bool snooping : {false, true}) {
    Proxy p(snooping);
    p.lab.pass(p.a, arp_request(4, 9));
    Bytes spoofed = arp_request(5, 9);
    spoofed[27] = 6;  // another sender MAC inside than outside
    p.lab.pass(p.a, spoofed);
    CHECK_EQ(p.lab.dataplane.context().neighbors.size(), snooping ? 1u : 0u);
    p.lab.drain(p.b);
    p.lab.pass(p.b, arp_request(2, 4));
    CHECK_EQ(p.lab.drain(p.b).size(), snooping ? 1u : 0u);
  }
}

TEST("proxy_arp: neighbor solicitations, with and without a source address") {
  for (bool probe : {false, true}) {
    Proxy p;
    p.know(kTarget6, 4);
    p.lab.pass(p.a, solicitation(probe));
    const auto out = p.lab.drain(p.a);
    CHECK_EQ(out.size(), 1u);
    const Bytes& f = out[0];
    CHECK_EQ(f.size(), 86u);
    CHECK(Bytes(f.begin(), f.begin() + 6) == (probe ? hex("333300000001") : mac(1)));
    CHECK(Bytes(f.begin() + 6, f.begin() + 12) == mac(4));
    CHECK(Bytes(f.begin() + 22, f.begin() + 38) == kTarget6);
    CHECK(Bytes(f.begin() + 38, f.begin() + 54) ==
          (probe ? hex("ff02000000000000 0000000000000001") : hex("fe80000000000000 0000000000000001")));
    CHECK_EQ(f[54], 136);
    CHECK_EQ(f[58], probe ? 0x20 : 0x60);
    CHECK(Bytes(f.begin() + 78, f.end()) == join({{2, 1}, mac(4)}));
    CHECK_EQ(checksum_fold(checksum_add(&f[54], 32, checksum_pseudo_ipv6(&f[22], &f[38], 58, 32))), 0xffff);
    CHECK_EQ(p.lab.total(Counter::nd_replied), 1u);
  }
}

TEST("proxy_arp: a solicitation that is not valid is not answered") {
  Proxy p;
  p.know(kTarget6, 4);
  for (size_t at : {21u, 55u, 57u}) {  // hop limit, code, checksum
    Bytes frame = solicitation(false);
    frame[at] ^= 1;
    p.lab.pass(p.a, frame);
  }
  CHECK_EQ(p.lab.total(Counter::nd_replied), 0u);
  CHECK_EQ(p.lab.drain(p.b).size(), 3u);
}
