// What routers say: ICMP errors, echo replies, ARP and ND of gateways.
#include "test/route_lab.h"

using namespace overlane;
using namespace overlane::test;

namespace {

struct Wanted {
  Ip ip;
  Counter reason;
  uint8_t type, code;
  uint32_t value;
  Bytes from;
};

// The error is from the gateway to host 2 of red, whole, and quotes the packet as it was sent.
void check_error(const Bytes& frame, const Wanted& wanted) {
  const bool v4 = wanted.ip.source.size() == 4;
  const size_t ip = 14, icmp = ip + (v4 ? 20 : 40), quote = icmp + 8;
  CHECK(part(frame, 0, 12) == join({mac(2), kGateway}));
  CHECK(frame.size() >= quote);
  if (frame.size() < quote) return;
  CHECK(part(frame, ip + (v4 ? 12 : 8), ip + (v4 ? 16 : 24)) == wanted.from);
  CHECK(part(frame, ip + (v4 ? 16 : 24), icmp) == wanted.ip.source);
  CHECK_EQ(frame[icmp], wanted.type);
  CHECK_EQ(frame[icmp + 1], wanted.code);
  CHECK_EQ(load_be32(&frame[icmp + 4]), wanted.value);
  CHECK_EQ(icmp_sum(wanted.from, wanted.ip.source, part(frame, icmp, frame.size())), 0);
  if (v4) CHECK_EQ(ones_complement(frame, 14, 34), 0);
  CHECK_EQ(load_be16(&frame[v4 ? 16u : 18u]), frame.size() - (v4 ? 14 : 54));
  const Bytes sent = ip_packet(wanted.ip);
  CHECK(part(frame, quote, frame.size()) ==
        part(sent, 0, std::min(sent.size(), size_t{v4 ? 576u : 1280u} + 14 - quote)));
}

Ip sized(const Bytes& source, const Bytes& destination, size_t size, uint16_t fragment = 0) {
  Ip ip{source, destination};
  ip.payload.resize(size - (source.size() == 4 ? 20 : 40), 0x77);
  put16(ip.payload, 4, static_cast<uint16_t>(ip.payload.size()));
  ip.fragment = fragment;
  return ip;
}

Ip with(Ip ip, uint8_t protocol, uint8_t ttl = 64) {
  ip.protocol = protocol;
  ip.ttl = ttl;
  return ip;
}

}  // namespace

TEST("route: what cannot go on is dropped by name, and the sender is told by the gateway") {
  const Bytes nowhere6 = hex("fd00009900000000 0000000000000001");
  const std::vector<Wanted> all = {
      {with({red4(2), blue4(12)}, 17, 1), Counter::drop_route_ttl, 11, 0, 0, red4(1)},
      {with({red4(2), blue4(12)}, 17, 0), Counter::drop_route_ttl, 11, 0, 0, red4(1)},
      {with({red6(2), blue6(12)}, 17, 1), Counter::drop_route_ttl, 3, 0, 0, red6(1)},
      {{red4(2), {10, 9, 9, 9}}, Counter::drop_route_none, 3, 0, 0, red4(1)},
      {{red6(2), nowhere6}, Counter::drop_route_none, 1, 0, 0, red6(1)},
      {{red4(2), blue4(77)}, Counter::drop_route_neighbor, 3, 1, 0, red4(1)},
      {{red6(2), blue6(77)}, Counter::drop_route_neighbor, 1, 3, 0, red6(1)},
      {sized(red4(2), blue4(12), 1301, 0x4000), Counter::drop_route_mtu, 3, 4, 1300, red4(1)},
      {sized(red4(2), blue4(12), 1301), Counter::drop_route_mtu, 3, 4, 1300, red4(1)},
      {sized(red6(2), blue6(12), 1301), Counter::drop_route_mtu, 2, 0, 1300, red6(1)},
      {{red4(2), red4(1)}, Counter::drop_gateway_protocol, 3, 3, 0, red4(1)},
      {{red4(2), blue4(1)}, Counter::drop_gateway_protocol, 3, 3, 0, blue4(1)},
      {with({red4(2), red4(1)}, 47), Counter::drop_gateway_protocol, 3, 2, 0, red4(1)},
      {{red6(2), red6(1)}, Counter::drop_gateway_protocol, 1, 4, 0, red6(1)},
      {{red6(2), kGatewayLinkLocal}, Counter::drop_gateway_protocol, 1, 4, 0, kGatewayLinkLocal},
      {with({red6(2), red6(1)}, 47), Counter::drop_gateway_protocol, 4, 1, 6, red6(1)},
      {with(echo(red4(2), blue4(12)), 1, 1), Counter::drop_route_ttl, 11, 0, 0, red4(1)},
      {with(echo(red6(2), blue6(12)), 58, 1), Counter::drop_route_ttl, 3, 0, 0, red6(1)},
  };
  for (const Wanted& wanted : all) {
    RouteLab r;
    r.lab.dataplane.remove_interface(r.blue);
    r.connect(r.blue, {{blue4(1), 24}, {blue6(1), 64}}, 1300);
    const std::vector<Bytes> back = r.send(wanted.ip);
    CHECK_EQ(back.size(), 1u);
    if (back.size() == 1) check_error(back[0], wanted);
    CHECK_EQ(r.lab.total(wanted.reason), 1u);
    CHECK_EQ(r.lab.total(Counter::icmp_sent), 1u);
    CHECK_EQ(r.lab.total(Counter::originated), 1u);
    CHECK_EQ(r.came_out(), 0u);
    const bool missed = wanted.reason == Counter::drop_route_neighbor;
    const std::vector<Miss> misses = r.lab.dataplane.context().misses.take();
    CHECK_EQ(misses.size(), missed ? 1u : 0u);
    if (missed)
      CHECK(misses[0].domain == r.blue && misses[0].ip == address(wanted.ip.destination) && misses[0].port == r.a);
  }
}

TEST("route: an error in a VLAN has the tag that the packet had") {
  Lab lab;
  const uint16_t port = lab.port();
  BridgeOptions options = Lab::plain();
  options.domains = {{100, -1}};
  const uint16_t red = lab.dataplane.domain_of(lab.bridge({port}, options), 100);
  lab.dataplane.add_interface(lab.dataplane.add_router(load_mac(kGateway.data())), red, {{address(red4(1)), 24}}, 1500);
  lab.pass(port, with_tag(frame_of(kGateway, mac(2), {red4(2), blue4(12)}), 100));
  const std::vector<Bytes> out = lab.drain(port);
  CHECK_EQ(out.size(), 1u);
  CHECK(part(out[0], 0, 18) == join({mac(2), kGateway, hex("8100 0064 0800")}));
  CHECK_EQ(ones_complement(out[0], 18, 38), 0);
}

TEST("route: no error about errors, later fragments, redirects or what is cut") {
  RouteLab r;
  std::vector<Ip> all;
  for (uint8_t type : {3, 4, 5, 11, 12}) {
    Ip ip = echo(red4(2), {10, 9, 9, 9});
    ip.payload[0] = type;
    all.push_back(ip);
  }
  for (uint8_t type : {1, 2, 3, 4, 100, 137}) {
    Ip ip = echo(red6(2), hex("fd00009900000000 0000000000000001"));
    ip.payload[0] = type;
    all.push_back(ip);
  }
  Ip later{red4(2), {10, 9, 9, 9}};
  later.fragment = 0x2010;
  all.push_back(later);
  Ip cut = echo(red4(2), {10, 9, 9, 9});
  cut.payload.resize(4);
  all.push_back(cut);
  for (const Ip& ip : all) CHECK(r.send(ip).empty());
  CHECK_EQ(r.lab.total(Counter::drop_route_none), all.size());
  CHECK_EQ(r.lab.total(Counter::icmp_sent), 0u);
  Ip first{red4(2), {10, 9, 9, 9}};
  first.fragment = 0x2000;
  CHECK_EQ(r.send(first).size(), 1u);
}

TEST("route: errors are limited to 1000 a second and 50 at once, by the clock that is handed in") {
  RouteLab r;
  const Ip ip = with({red4(2), blue4(12)}, 17, 1);
  const auto sent = [&](int count, Nanos now) {
    for (int i = 0; i < count; ++i) r.lab.inject(r.a, frame_of(kGateway, mac(2), ip));
    r.lab.run(now);
    return r.lab.drain(r.a).size();
  };
  CHECK_EQ(sent(200, 5'000'000'000), 50u);
  CHECK_EQ(r.lab.total(Counter::icmp_limited), 150u);
  CHECK_EQ(r.lab.total(Counter::drop_route_ttl), 200u);
  CHECK_EQ(sent(10, 5'000'999'999), 0u);
  CHECK_EQ(sent(10, 5'003'000'000), 3u);
  CHECK_EQ(sent(200, 9'000'000'000), 50u);
  for (int i = 0; i < 100; ++i) r.lab.inject(r.a, frame_of(kGateway, mac(2), echo(red4(2), red4(1))));
  r.lab.run(9'000'000'000);
  CHECK_EQ(r.lab.drain(r.a).size(), 100u);  // of which echo replies are none
}

TEST("route: the gateway answers pings of any size for each of its addresses, and nothing that is wrong with them") {
  RouteLab r;
  const Bytes own6 = hex("fe80000000000000 0000000000000002");
  for (const size_t size : {0u, 1u, 56u, 1471u, 20'001u}) {
    for (Ip ip : {echo(red4(2), red4(1), size), echo(red4(2), blue4(1), size), echo(red6(2), red6(1), size),
                  echo(own6, kGatewayLinkLocal, size), echo(own6, red6(1), size)}) {
      ip.ttl = 3;
      const std::vector<Bytes> back = r.send(ip);
      const bool v4 = ip.source.size() == 4;
      std::swap(ip.source, ip.destination);
      ip.ttl = 64;
      ip.payload[0] = v4 ? 0 : 129;
      put16(ip.payload, 2, 0);
      put16(ip.payload, 2, icmp_sum(ip.source, ip.destination, ip.payload));
      CHECK(back == std::vector<Bytes>{frame_of(mac(2), kGateway, ip)});
    }
  }
  CHECK_EQ(r.lab.total(Counter::echo_replied), 25u);
  CHECK_EQ(r.lab.total(Counter::consumed), 25u);
  std::vector<Ip> wrong;
  for (const size_t at : {1u, 2u, 20u}) {
    wrong.push_back(echo(red4(2), red4(1)));
    wrong.push_back(echo(red6(2), red6(1)));
    for (size_t i = wrong.size() - 2; i < wrong.size(); ++i) wrong[i].payload[at] ^= 1;
  }
  Ip reply = echo(red4(2), red4(1));
  reply.payload[0] = 0;
  reply.payload[2] ^= 8;
  wrong.push_back(reply);
  for (const Ip& ip : wrong) CHECK(r.send(ip).empty());
  CHECK_EQ(r.lab.total(Counter::drop_gateway_icmp), wrong.size());
  Ip fragment = echo(red4(2), red4(1));
  fragment.fragment = 0x2000;
  CHECK(r.send(fragment).empty());
  Ip none = with({red6(2), red6(1)}, 59);
  CHECK(r.send(none).empty());
  CHECK_EQ(r.lab.total(Counter::drop_gateway_fragment), 1u);
  CHECK_EQ(r.lab.total(Counter::drop_gateway_protocol), 1u);
  CHECK_EQ(r.came_out(), 0u);
}

namespace {

Bytes arp(uint16_t operation, const Bytes& sender_mac, const Bytes& sender, const Bytes& target,
          const Bytes& to = broadcast(), const Bytes& from = mac(2)) {
  return join({to,
               from,
               hex("0806 0001 0800 0604 00"),
               {static_cast<uint8_t>(operation)},
               sender_mac,
               sender,
               Bytes(6, 0),
               target});
}

// A solicitation (135) or advertisement (136) for `target`.
Bytes neighbor(uint8_t type, const Bytes& source, const Bytes& target, const Bytes& to) {
  Bytes message = join({{type, 0, 0, 0, 0, 0, 0, 0}, target});
  put16(message, 2, icmp_sum(source, to, message));
  Ip ip{source, to, 58, message, 255};
  return frame_of(join({hex("3333ff"), part(target, 13, 16)}), mac(2), ip);
}
Bytes group_of(const Bytes& target) {
  return join({hex("ff02000000000000 00000001ff"), part(target, 13, 16)});
}

}  // namespace

TEST("route: ARP for the gateway, and probes of its address, are answered in place and cross nothing") {
  for (const Bytes& sender : {red4(2), Bytes(4, 0)}) {
    RouteLab r;
    for (const Bytes& to : {broadcast(), kGateway}) {
      r.lab.pass(r.a, arp(1, mac(2), sender, red4(1), to));
      const Bytes reply = join({mac(2), kGateway, hex("0806 0001 0800 0604 0002"), kGateway, red4(1), mac(2), sender});
      CHECK(r.lab.drain(r.a) == std::vector<Bytes>{reply});
    }
    CHECK_EQ(r.lab.total(Counter::arp_replied), 2u);
    CHECK_EQ(r.came_out(), 0u);
    // The other network's gateway and other VLANs are others' to answer for.
    r.lab.pass(r.a, arp(1, mac(2), sender, blue4(1)));
    r.lab.pass(r.a, with_tag(arp(1, mac(2), sender, red4(1)), 7));
    CHECK_EQ(r.lab.drain(r.a2).size(), 2u);
    CHECK_EQ(r.came_out(), 0u);
  }
}

TEST("route: nobody else is the gateway: claims of its addresses go nowhere, and are not learned") {
  BridgeOptions options = Lab::plain();
  options.policy.arp_snooping = true;
  RouteLab r(options);
  const size_t known = r.lab.dataplane.context().neighbors.size();
  r.lab.pass(r.a, arp(1, mac(2), red4(1), red4(9)));
  r.lab.pass(r.a, arp(1, mac(2), red4(1), red4(1)));
  r.lab.pass(r.a, arp(2, mac(2), red4(1), red4(2)));
  r.lab.pass(r.a, arp(1, mac(3), red4(3), red4(1)));  // in another's name
  r.lab.pass(r.a, arp(1, Bytes(6, 0xff), red4(3), red4(1), broadcast(), mac(2)));
  r.lab.pass(r.a, neighbor(136, red6(2), red6(1), hex("ff02000000000000 0000000000000001")));
  r.lab.pass(r.a, neighbor(136, red6(2), kGatewayLinkLocal, hex("ff02000000000000 0000000000000001")));
  r.lab.pass(r.a, neighbor(135, red6(1), red6(9), group_of(red6(9))));
  CHECK_EQ(r.lab.total(Counter::drop_gateway_spoofed), 8u);
  CHECK_EQ(r.came_out(), 0u);
  CHECK_EQ(r.lab.dataplane.context().neighbors.size(), known);
  r.lab.pass(r.a, arp(1, mac(2), red4(22), red4(1)));  // an honest question is
  CHECK_EQ(r.lab.dataplane.context().neighbors.size(), known + 1);
  CHECK_EQ(r.lab.drain(r.a).size(), 1u);
}

TEST("route: neighbor solicitations for the gateway, its link-local address too, with the router flag") {
  for (const Bytes& target : {red6(1), kGatewayLinkLocal}) {
    for (const bool probe : {false, true}) {
      RouteLab r;
      r.lab.pass(r.a, neighbor(135, probe ? Bytes(16, 0) : red6(2), target, group_of(target)));
      const std::vector<Bytes> out = r.lab.drain(r.a);
      CHECK_EQ(out.size(), 1u);
      const Bytes& f = out[0];
      const Bytes to = probe ? hex("ff02000000000000 0000000000000001") : red6(2);
      CHECK(part(f, 0, 12) == join({probe ? hex("333300000001") : mac(2), kGateway}));
      CHECK(part(f, 22, 54) == join({target, to}));
      CHECK_EQ(f[54], 136);
      CHECK_EQ(f[58], probe ? 0xa0 : 0xe0);
      CHECK(part(f, 62, 86) == join({target, {2, 1}, kGateway}));
      CHECK_EQ(icmp_sum(target, to, part(f, 54, 86)), 0);
      CHECK_EQ(r.came_out(), 0u);
    }
  }
  RouteLab r;
  r.lab.pass(r.a, neighbor(135, red6(2), blue6(1), group_of(blue6(1))));
  CHECK_EQ(r.lab.total(Counter::nd_replied), 0u);
}
