#include "test/lab.h"

using namespace overlane;
using namespace overlane::test;

TEST("bridge: floods the unknown, then forwards to where it learned") {
  Lab lab;
  const uint16_t a = lab.port(), b = lab.port(), c = lab.port();
  lab.bridge({a, b, c});
  const Bytes request = udp_frame(mac(2), mac(1), 1, 2);
  lab.pass(a, request);
  CHECK(lab.drain(b) == std::vector<Bytes>{request});
  CHECK(lab.drain(c) == std::vector<Bytes>{request});
  CHECK(lab.drain(a).empty());
  const Bytes reply = udp_frame(mac(1), mac(2), 2, 1);
  lab.pass(b, reply);
  CHECK(lab.drain(a) == std::vector<Bytes>{reply});
  CHECK(lab.drain(c).empty());
  CHECK_EQ(lab.total(Counter::cloned), 1u);
  CHECK_EQ(lab.total(Counter::flooded), 1u);
}

TEST("bridge: a station that moved is followed; one behind the same port gets nothing back") {
  Lab lab;
  const uint16_t a = lab.port(), b = lab.port(), c = lab.port();
  lab.bridge({a, b, c});
  lab.pass(a, udp_frame(mac(9), mac(1), 1, 9));
  lab.pass(b, udp_frame(mac(9), mac(1), 1, 9));
  lab.drain(a), lab.drain(b), lab.drain(c);
  lab.pass(c, udp_frame(mac(1), mac(3), 3, 1));
  CHECK_EQ(lab.drain(b).size(), 1u);
  CHECK(lab.drain(a).empty());
  lab.pass(b, udp_frame(mac(1), mac(4), 4, 1));
  CHECK_EQ(lab.total(Counter::drop_same_port), 1u);
}

TEST("bridge: isolated ports reach the others only") {
  Lab lab;
  const uint16_t a = lab.port(), b = lab.port(), c = lab.port();
  const uint16_t bridge = lab.bridge({});
  lab.dataplane.attach(bridge, a, {true, true, 1024});
  lab.dataplane.attach(bridge, b, {true, true, 1024});
  lab.dataplane.attach(bridge, c, {false, true, 1024});
  lab.pass(a, udp_frame(broadcast(), mac(1), 1, 9));
  CHECK(lab.drain(b).empty());
  CHECK_EQ(lab.drain(c).size(), 1u);
  lab.pass(b, udp_frame(mac(1), mac(2), 2, 1));
  CHECK_EQ(lab.total(Counter::drop_isolated), 1u);
  lab.pass(c, udp_frame(mac(1), mac(3), 3, 1));
  CHECK_EQ(lab.drain(a).size(), 1u);
}

TEST("bridge: drops what no bridge forwards, each with its counter") {
  Lab lab;
  const uint16_t a = lab.port(), b = lab.port(), lone = lab.port();
  BridgeOptions options = Lab::plain();
  options.policy.flood_unknown = false;
  options.policy.flood_broadcast = false;
  options.policy.flood_multicast = false;
  lab.bridge({a, b}, options);
  lab.pass(a, udp_frame(mac(2), mac(1), 1, 2));
  lab.pass(a, udp_frame(broadcast(), mac(1), 1, 2));
  lab.pass(a, udp_frame(hex("01005e000001"), mac(1), 1, 2));
  lab.pass(a, udp_frame(hex("0180c2000000"), mac(1), 1, 2));
  lab.pass(a, udp_frame(mac(2), hex("03420a000001"), 1, 2));
  lab.pass(a, udp_frame(mac(2), Bytes(6, 0), 1, 2));
  lab.pass(a, Bytes(13, 2));
  lab.pass(lone, udp_frame(mac(2), mac(1), 1, 2));
  lab.dataplane.add_fdb(lab.dataplane.domain_of(0, kNoVlan), load_mac(mac(7).data()), b);
  lab.pass(a, udp_frame(mac(2), mac(7), 7, 2));
  CHECK(lab.drain(b).empty());
  for (Counter counter :
       {Counter::drop_unknown_unicast, Counter::drop_broadcast, Counter::drop_multicast, Counter::drop_link_local,
        Counter::drop_malformed, Counter::drop_no_receiver, Counter::drop_source_static}) {
    CHECK_EQ(lab.total(counter), 1u);
  }
  CHECK_EQ(lab.total(Counter::drop_source_invalid), 2u);
}

TEST("bridge: forwards by MAC what is broken above Ethernet, and counts it") {
  Lab lab;
  const uint16_t a = lab.port(), b = lab.port();
  lab.bridge({a, b});
  Bytes broken = udp_frame(mac(2), mac(1), 1, 2);
  broken.resize(30);
  lab.pass(a, broken);
  CHECK(lab.drain(b) == std::vector<Bytes>{broken});
  CHECK_EQ(lab.total(Counter::l3_malformed), 1u);
}

TEST("bridge: the port's MTU, its queue, and the pool of copies") {
  DataplaneOptions small;
  small.small_packets = 8;
  Lab lab(small);
  const uint16_t a = lab.port();
  std::vector<uint16_t> others;
  for (int i = 0; i < 40; ++i) others.push_back(lab.port(100));
  const uint16_t bridge = lab.bridge({a});
  for (uint16_t port : others) lab.dataplane.attach(bridge, port, {false, true, 1024});
  for (int i = 0; i < 8; ++i) lab.inject(a, udp_frame(broadcast(), mac(1), 1, 2));
  lab.run();
  for (uint16_t port : others) CHECK_EQ(lab.drain(port).size(), 8u);  // the lanes were sent to free packets
  CHECK_EQ(lab.total(Counter::drop_pool_empty), 0u);
  lab.pass(a, udp_frame(broadcast(), mac(1), 1, 2, 119));
  CHECK_EQ(lab.total(Counter::drop_mtu), 40u);
}

TEST("bridge: lanes flushed for a flood in the middle of a burst lose nothing after it") {
  DataplaneOptions small;
  small.small_packets = 8;
  Lab lab(small);
  const uint16_t a = lab.port(), b = lab.port();
  const uint16_t bridge = lab.bridge({a, b});
  for (int i = 0; i < 40; ++i) lab.dataplane.attach(bridge, lab.port(), {false, true, 1024});
  lab.pass(b, udp_frame(mac(1), mac(2), 2, 1));
  lab.drain(b);
  const Bytes known = udp_frame(mac(2), mac(1), 1, 2);
  const Bytes flooded = udp_frame(broadcast(), mac(1), 1, 2);
  for (const Bytes& frame : {known, flooded, known, known}) lab.inject(a, frame);
  lab.run();
  CHECK(lab.drain(b) == (std::vector<Bytes>{known, flooded, known, known}));
}

TEST("bridge: order within a flow holds through bursts of every size") {
  for (uint32_t burst : {1u, 3u, 64u, 256u}) {
    DataplaneOptions options;
    options.burst = burst;
    Lab lab(options);
    const uint16_t a = lab.port(), b = lab.port();
    lab.bridge({a, b});
    std::vector<Bytes> sent;
    for (int i = 0; i < 1000; ++i) {
      Bytes frame = udp_frame(i % 3 == 0 ? broadcast() : mac(2), mac(1), 1, 2, 100 + i);
      lab.inject(a, frame);
      sent.push_back(frame);
    }
    lab.run();
    CHECK(lab.drain(b) == sent);
  }
}

TEST("bridge: VLAN map keeps VLANs apart and refuses what it does not map") {
  Lab lab;
  const uint16_t a = lab.port(), b = lab.port();
  BridgeOptions options = Lab::plain();
  options.domains = {{100, -1}, {200, -1}};
  lab.bridge({a, b}, options);
  lab.pass(a, with_tag(udp_frame(mac(2), mac(1), 1, 2), 100));
  lab.pass(b, with_tag(udp_frame(mac(1), mac(2), 2, 1), 200));
  CHECK_EQ(lab.drain(b).size(), 1u);
  CHECK_EQ(lab.drain(a).size(), 1u);
  CHECK_EQ(lab.total(Counter::flooded), 2u);  // MAC 1 was learned in VLAN 100 only
  lab.pass(a, with_tag(udp_frame(mac(2), mac(1), 1, 2), 300));
  lab.pass(a, udp_frame(mac(2), mac(1), 1, 2));
  CHECK_EQ(lab.total(Counter::drop_vlan_unknown), 2u);
}

TEST("dataplane: detaching, removing and re-adding leaves nothing of the old") {
  Lab lab;
  const uint16_t a = lab.port(), b = lab.port();
  const uint16_t bridge = lab.bridge({a, b});
  lab.pass(a, udp_frame(mac(2), mac(1), 1, 2));
  lab.dataplane.detach(a);
  CHECK_EQ(lab.dataplane.context().fdb->size(), 0u);
  lab.dataplane.remove_bridge(bridge);
  lab.pass(b, udp_frame(mac(1), mac(2), 2, 1));
  CHECK_EQ(lab.total(Counter::drop_no_receiver), 1u);
  CHECK_EQ(lab.bridge({a, b}), bridge);
  lab.drain(b);
  lab.pass(a, udp_frame(mac(2), mac(1), 1, 2));
  CHECK_EQ(lab.drain(b).size(), 1u);
  lab.dataplane.remove_port(b);
  lab.pass(a, udp_frame(mac(2), mac(1), 1, 2));
  CHECK_EQ(lab.total(Counter::drop_no_destination), 1u);
}
