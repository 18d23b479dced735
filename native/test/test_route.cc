#include "engine/pipeline.h"
#include "test/route_lab.h"

using namespace overlane;
using namespace overlane::test;

TEST("route: IPv4 between two bridges: new MACs, one hop less, a right checksum, and nothing else") {
  RouteLab r;
  r.place(r.blue, 12, r.b2);
  for (unsigned ttl = 2; ttl < 256; ++ttl) {
    Ip ip{red4(2), blue4(12)};
    ip.ttl = static_cast<uint8_t>(ttl);
    ip.tos = 0xb9;
    ip.payload.push_back(static_cast<uint8_t>(ttl));
    CHECK(r.send(ip).empty());
    --ip.ttl;
    CHECK(r.lab.drain(r.b2) == std::vector<Bytes>{frame_of(mac(12), kGateway, ip)});
  }
  CHECK_EQ(r.lab.total(Counter::routed), 254u);
  CHECK_EQ(r.came_out(), 0u);
}

TEST("route: IPv6, and IPv4 with options and in fragments, as it is") {
  RouteLab r;
  r.place(r.blue, 12, r.b);
  std::vector<Ip> all = {{red6(2), blue6(12)}, {red4(2), blue4(12)}, {red4(2), blue4(12)}, {red4(2), blue4(12)}};
  all[1].options = hex("94040000");
  all[2].fragment = 0x2000;
  all[3].fragment = 0x00b9;
  Ip broken{red4(2), blue4(12)};  // above IP, where a router does not look
  put16(broken.payload, 4, 7);
  all.push_back(broken);
  for (Ip ip : all) {
    CHECK(r.send(ip).empty());
    --ip.ttl;
    CHECK(r.lab.drain(r.b) == std::vector<Bytes>{frame_of(mac(12), kGateway, ip)});
  }
}

TEST("route: the bridge of the destination floods, isolates and counts as it does with its own") {
  RouteLab r;
  const Ip ip{red4(2), blue4(12)};
  r.send(ip);
  CHECK_EQ(r.lab.drain(r.b).size(), 1u);
  CHECK_EQ(r.lab.drain(r.b2).size(), 1u);
  CHECK_EQ(r.lab.total(Counter::flooded), 1u);
  BridgeOptions options = Lab::plain();
  options.policy.flood_unknown = false;
  RouteLab strict(options);
  strict.send(ip);
  CHECK_EQ(strict.came_out(), 0u);
  CHECK_EQ(strict.lab.total(Counter::drop_unknown_unicast), 1u);

  RouteLab apart;
  for (uint16_t port : {apart.a, apart.b}) apart.lab.dataplane.detach(port);
  apart.lab.dataplane.attach(apart.red_bridge, apart.a, {true, true, 9});
  apart.lab.dataplane.attach(apart.blue_bridge, apart.b, {true, true, 9});
  apart.send(ip);
  CHECK(apart.lab.drain(apart.b).empty());
  CHECK_EQ(apart.lab.drain(apart.b2).size(), 1u);
  apart.place(apart.blue, 12, apart.b);
  apart.send(ip);
  CHECK_EQ(apart.lab.total(Counter::drop_isolated), 1u);
}

TEST("route: the sender is learned where it is, and refused where it may not be") {
  RouteLab r;
  r.send({red4(2), blue4(12)});
  r.came_out();
  r.lab.pass(r.b, frame_of(kGateway, mac(12), {blue4(12), red4(2)}));
  CHECK_EQ(r.lab.drain(r.a).size(), 1u);
  CHECK(r.lab.drain(r.a2).empty());  // not flooded
  r.place(r.red, 3, r.a2);
  r.lab.pass(r.a, frame_of(kGateway, mac(3), {red4(3), blue4(12)}));
  CHECK_EQ(r.lab.total(Counter::drop_source_static), 1u);
  r.lab.pass(r.a, frame_of(mac(9), kGateway, {red4(3), red4(9)}));  // the router's own MAC
  CHECK_EQ(r.lab.total(Counter::drop_source_static), 2u);
  r.lab.pass(r.a, frame_of(kGateway, hex("010000000000"), {red4(3), blue4(12)}));
  CHECK_EQ(r.lab.total(Counter::drop_source_invalid), 1u);
  CHECK_EQ(r.came_out(), 0u);
  CHECK_EQ(r.lab.total(Counter::fdb_moved), 0u);
}

TEST("route: bursts of what is bridged and routed keep each their order, and one port may be both ways") {
  Lab lab;
  const uint16_t trunk = lab.port();
  BridgeOptions options = Lab::plain();
  options.domains = {{100, -1}, {200, -1}};
  const uint16_t bridge = lab.bridge({trunk, lab.port()}, options);
  const uint16_t red = lab.dataplane.domain_of(bridge, 100), blue = lab.dataplane.domain_of(bridge, 200);
  const uint16_t router = lab.dataplane.add_router(load_mac(kGateway.data()));
  lab.dataplane.add_interface(router, red, {{address(red4(1)), 24}}, 1500);
  lab.dataplane.add_interface(router, blue, {{address(blue4(1)), 24}}, 1500);
  lab.dataplane.add_neighbor(blue, address(blue4(12)), load_mac(mac(12).data()));
  lab.dataplane.add_fdb(blue, load_mac(mac(12).data()), trunk);
  lab.dataplane.add_fdb(red, load_mac(mac(3).data()), trunk);
  const Bytes bridged = with_tag(frame_of(mac(3), mac(2), {red4(2), red4(3)}), 100);
  for (uint8_t i = 0; i < 10; ++i) {
    Ip ip{red4(2), blue4(12)};
    ip.payload[15] = i;
    lab.inject(trunk, with_tag(frame_of(kGateway, mac(2), ip), 0x4064));  // VLAN 100, a priority
    lab.inject(trunk, bridged);
  }
  lab.run();
  const std::vector<Bytes> out = lab.drain(trunk);
  CHECK_EQ(out.size(), 10u);
  CHECK_EQ(lab.total(Counter::drop_same_port), 10u);
  for (uint8_t i = 0; i < out.size(); ++i) {
    Ip ip{red4(2), blue4(12)};
    ip.payload[15] = i;
    ip.ttl = 63;
    CHECK(out[i] == with_tag(frame_of(mac(12), kGateway, ip), 200));
  }
}

TEST("route: tags: a priority is taken off, other VLANs are not the network's") {
  RouteLab r;
  r.place(r.blue, 12, r.b);
  const Bytes frame = frame_of(kGateway, mac(2), {red4(2), blue4(12)});
  r.lab.pass(r.a, with_tag(frame, 0xe000));
  Ip ip{red4(2), blue4(12)};
  ip.ttl = 63;
  CHECK(r.lab.drain(r.b) == std::vector<Bytes>{frame_of(mac(12), kGateway, ip)});
  r.lab.pass(r.a, with_tag(frame, 7));
  r.lab.pass(r.a, with_tag(with_tag(frame, 0), 0));
  CHECK_EQ(r.lab.total(Counter::drop_gateway_vlan), 2u);
  CHECK_EQ(r.came_out(), 0u);
}

TEST("route: into a tunnel, and what other nodes routed comes out of one; none of it makes the MAC move") {
  Lab lab;
  const uint16_t a = lab.port(), b = lab.port(), wire = lab.port();
  BridgeOptions options = Lab::plain();
  options.underlay = lab.underlay(wire, {192, 168, 77, 1}, 1);
  options.policy.learn_remote = true;
  options.domains = {{kNoVlan, 100}};
  const uint16_t red = lab.dataplane.domain_of(lab.bridge({a}, options), kNoVlan);
  options.domains = {{kNoVlan, 200}};
  const uint16_t blue = lab.dataplane.domain_of(lab.bridge({b}, options), kNoVlan);
  const uint16_t router = lab.dataplane.add_router(load_mac(kGateway.data()));
  lab.dataplane.add_interface(router, red, {{address(red4(1)), 24}}, 1500);
  lab.dataplane.add_interface(router, blue, {{address(blue4(1)), 24}}, 1500);
  const Bytes vtep = {192, 168, 77, 2};
  lab.dataplane.set_next_hop(options.underlay, address(vtep), load_mac(mac(99).data()));
  const Place tunnel = lab.dataplane.add_vtep(blue, address(vtep), true);
  lab.dataplane.add_fdb(blue, load_mac(mac(12).data()), tunnel);
  lab.dataplane.add_neighbor(blue, address(blue4(12)), load_mac(mac(12).data()));
  lab.dataplane.add_fdb(blue, load_mac(mac(14).data()), b);
  lab.pass(a, frame_of(kGateway, mac(2), {red4(2), blue4(12)}));
  const std::vector<Bytes> out = lab.drain(wire);
  CHECK_EQ(out.size(), 1u);
  Ip ip{red4(2), blue4(12)};
  ip.ttl = 63;
  CHECK(part(out[0], 46, 49) == hex("0000c8"));  // VNI 200
  CHECK(part(out[0], 50, out[0].size()) == frame_of(mac(12), kGateway, ip));

  const auto from_wire = [&](const Bytes& inner) {
    Ip outer{vtep, {192, 168, 77, 1}, 17, join({hex("c000 12b5 0000 0000 08000000 0000c800"), inner})};
    put16(outer.payload, 4, static_cast<uint16_t>(outer.payload.size()));
    lab.pass(wire, frame_of(mac(1), mac(99), outer));
  };
  const Bytes routed = frame_of(mac(14), kGateway, {red4(2), blue4(14)});
  from_wire(routed);
  CHECK(lab.drain(b) == std::vector<Bytes>{routed});
  CHECK_EQ(lab.total(Counter::fdb_learned), 1u);  // the sender of the first packet only
  from_wire(frame_of(kGateway, mac(12), {blue4(12), red4(2)}));
  from_wire(join({broadcast(), mac(12), hex("0806 0001 0800 0604 0001"), mac(12), blue4(12), Bytes(6, 0), blue4(1)}));
  CHECK_EQ(lab.total(Counter::drop_gateway_remote), 2u);
  CHECK_EQ(lab.drain(a).size() + lab.drain(b).size() + lab.drain(wire).size(), 0u);
}

TEST("route: what has broken headers, or addresses that are nobody's, goes nowhere and gets no answer") {
  RouteLab r;
  const auto spoilt = [&](size_t at, uint8_t flip, const Ip& ip) {
    Bytes frame = frame_of(kGateway, mac(2), ip);
    frame[at] ^= flip;
    r.lab.pass(r.a, frame);
  };
  const Ip v4{red4(2), blue4(12)}, v6{red6(2), blue6(12)};
  spoilt(24, 1, v4);  // checksum
  CHECK_EQ(r.lab.total(Counter::drop_route_checksum), 1u);
  spoilt(14, 0x10, v4);  // version
  spoilt(14, 0x0f, v4);  // header length
  spoilt(16, 0x10, v4);  // total length
  spoilt(14, 0x10, v6);
  spoilt(18, 0x10, v6);
  CHECK_EQ(r.lab.total(Counter::drop_route_malformed), 5u);
  r.lab.pass(r.a, join({kGateway, mac(2), hex("88b5"), Bytes(46, 0)}));
  r.lab.pass(r.a, join({kGateway, mac(2), hex("0806 0001 0800 0604 0002"), Bytes(20, 1)}));
  CHECK_EQ(r.lab.total(Counter::drop_gateway_other), 2u);

  const std::vector<Ip> martians = {
      {red4(1), blue4(12)},
      {blue4(1), blue4(12)},
      {{127, 0, 0, 1}, blue4(12)},
      {{0, 0, 0, 0}, blue4(12)},
      {{224, 0, 0, 9}, blue4(12)},
      {Bytes(4, 255), blue4(12)},
      {red4(2), {127, 0, 0, 1}},
      {red4(2), {224, 0, 0, 9}},
      {red4(2), Bytes(4, 255)},
      {red4(2), {0, 0, 0, 0}},
      {red4(2), blue4(255)},
      {red4(2), blue4(0)},
      {red4(2), red4(255)},
      {red4(2), {169, 254, 1, 1}},
      {{169, 254, 1, 1}, blue4(12)},
      {red6(1), blue6(12)},
      {Bytes(16, 0), blue6(12)},
      {red6(2), Bytes(16, 0)},
      {red6(2), hex("ff02000000000000 0000000000000001")},
      {hex("ff02000000000000 0000000000000001"), blue6(12)},
      {red6(2), hex("fe80000000000000 0000000000000009")},
      {hex("fe80000000000000 0000000000000009"), blue6(12)},
      {red6(2), hex("0000000000000000 0000000000000001")},
      {hex("0000000000000000 0000000000000001"), blue6(12)},
      {red6(2), join({Bytes(10, 0), {255, 255}, blue4(12)})},
      {kGatewayLinkLocal, blue6(12)},
  };
  for (const Ip& ip : martians) CHECK(r.send(ip).empty());
  CHECK_EQ(r.lab.total(Counter::drop_route_martian), martians.size());
  CHECK_EQ(r.came_out(), 0u);
  CHECK_EQ(r.lab.total(Counter::icmp_sent), 0u);
}

TEST("route: an interface taken away, with its bridge or its router, leaves a plain bridge") {
  for (int how = 0; how < 3; ++how) {
    RouteLab r;
    const Ip ip{red4(2), blue4(12)};
    if (how == 0) r.lab.dataplane.remove_interface(r.red);
    if (how == 1) r.lab.dataplane.remove_router(r.router);
    if (how == 2) r.lab.dataplane.remove_bridge(r.blue_bridge);
    const std::vector<Bytes> back = r.send(ip);
    if (how == 2) {
      CHECK_EQ(r.lab.total(Counter::drop_route_none), 1u);
      CHECK_EQ(back.size(), 1u);
    } else {
      CHECK_EQ(r.lab.drain(r.a2).size(), 1u);  // flooded: the MAC is nobody's
      CHECK_EQ(r.lab.total(Counter::routed), 0u);
    }
    CHECK_EQ(r.lab.dataplane.context().has_gateways, how != 1);
  }
}
