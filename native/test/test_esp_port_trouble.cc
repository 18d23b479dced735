// The esp port when something is in the way.
#include <thread>

#include "test/udp_lab.h"

namespace overlane {

using namespace udp_test;
using namespace test;

namespace {

void give_up_net_raw() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  CHECK_EQ(syscall(SYS_capget, &header, data), 0);
  data[0].effective &= ~(1u << CAP_NET_RAW);
  data[0].permitted &= ~(1u << CAP_NET_RAW);
  CHECK_EQ(syscall(SYS_capset, &header, data), 0);
}

}  // namespace

TEST("esp port: what is too big for the MTU is lost, and a smaller MTU on the path is told once") {
  if (!have_root("esp port: path MTU")) return;
  Wire wire;
  CHECK_EQ(wire.a.ip("route add 10.77.0.2/32 dev u0 mtu 1400"), 0);
  CHECK_EQ(wire.a.ip("-6 route add fd77::2/128 dev u0 mtu 1400"), 0);
  for (bool ipv6 : {false, true}) {
    End a(esp_options_for(wire.a, ipv6, 1));
    End b(esp_options_for(wire.b, ipv6, 2));
    const uint32_t fits = 1400 - (ipv6 ? 40 : 20);
    const auto stride = static_cast<uint16_t>(fits + 1);
    a.send({a.sealed(b.local, esp_packet(1, fits + 101)),
            a.sealed(b.local, esp_train(1, 3, fits + 101), static_cast<uint16_t>(fits + 101))});
    CHECK_EQ(a.count(Counter::drop_mtu), 4u);
    CHECK_EQ(a.told().size(), 0u);
    a.send({a.sealed(b.local, esp_packet(1, fits)), a.sealed(b.local, esp_packet(1, fits + 1)),
            a.sealed(b.local, esp_train(1, 3, fits + 1, 50), stride)});
    CHECK_EQ(a.count(Counter::drop_mtu), 4u + 1 + 3);
    CHECK(datagrams_of(b.receive(2)) == std::vector<Bytes>({esp_packet(1, fits), esp_packet(1, 50, 99)}));
    const auto told = a.told();
    CHECK_EQ(told.size(), 1u);
    for (const Event& event : told) {
      CHECK(event.kind == EventKind::mtu && event.ip == b.local);
      CHECK_EQ(event.value, 1400u);
      CHECK_EQ(event.port, 3);
      CHECK_EQ(event.time, kTime);
    }
    CHECK_EQ(a.ports[0]->error(), "");
    // The interface's own, when it changes.
    a.ports[0]->link_changed({LinkState::up, 1, 1000});
    a.send({a.sealed(b.local, esp_packet(1, fits - 399)), a.sealed(b.local, esp_packet(1, fits - 400))});
    CHECK_EQ(a.count(Counter::drop_mtu), 4u + 1 + 3 + 1);
    CHECK_EQ(b.receive(1).size(), 1u);
    a.check();
    b.check();
  }
}

TEST("esp port: a size that the path to one peer refuses is tried for the others") {
  if (!have_root("esp port: MTU by peer")) return;
  Wire wire;
  CHECK_EQ(wire.b.ip("address add 10.77.0.3/24 dev u0") + wire.a.ip("route add 10.77.0.2/32 dev u0 mtu 1400"), 0);
  End a(esp_options_for(wire.a, false, 1));
  End b(esp_options_for(wire.b, false, 2));
  End c(esp_options_for(wire.b, false, 3));
  a.send({a.sealed(b.local, esp_packet(1, 1400)), a.sealed(c.local, esp_packet(2, 1400)),
          a.sealed(b.local, esp_packet(1, 1401)), a.sealed(b.local, esp_packet(1, 1300))});
  CHECK(datagrams_of(c.receive(1)) == std::vector<Bytes>{esp_packet(2, 1400)});
  CHECK(datagrams_of(b.receive(1)) == std::vector<Bytes>{esp_packet(1, 1300)});
  CHECK_EQ(a.count(Counter::drop_mtu), 2u);
  for (End* end : {&a, &b, &c}) end->check();
}

TEST("esp port: what a router says about the path's MTU is told once, by one of the workers") {
  if (!have_root("esp port: ICMP")) return;
  Wire wire;
  Namespace far{"udp-c"};
  CHECK_EQ(test::run("ip link add u1 netns " + wire.b.name() + " mtu 1300 type veth peer name u1 netns " + far.name() +
                     " mtu 1300"),
           0);
  CHECK_EQ(wire.b.ip("link set u1 up") + wire.b.ip("address add 10.78.0.2/24 dev u1"), 0);
  CHECK_EQ(wire.b.run("sysctl -qw net.ipv4.ip_forward=1"), 0);
  CHECK_EQ(far.ip("link set u1 up") + far.ip("address add 10.78.0.3/24 dev u1"), 0);
  CHECK_EQ(far.ip("route add default via 10.78.0.2") + wire.a.ip("route add 10.78.0.0/24 via 10.77.0.2"), 0);
  End a(esp_options_for(wire.a, false, 1), 2);
  const Bytes ip = {10, 78, 0, 3};
  const IpAddress peer = IpAddress::v4(ip.data());
  a.send({a.sealed(peer, esp_packet(1, 1400))});
  for (auto& port : a.ports) {
    pollfd wait{port->descriptors().at(0).fd, 0, 0};
    CHECK_EQ(poll(&wait, 1, 1000), 1);
    port->attend(wait.fd, kTime);
    CHECK_EQ(poll(&wait, 1, 0), 0);  // attended to
  }
  const auto told = a.told();
  CHECK_EQ(told.size(), 1u);
  for (const Event& event : told) {
    CHECK(event.kind == EventKind::mtu && event.ip == peer);
    CHECK_EQ(event.value, 1300u);
  }
  // The kernel knows it now, and refuses.
  a.send({a.sealed(peer, esp_packet(1, 1400))});
  CHECK_EQ(a.count(Counter::drop_mtu), 1u);
  CHECK_EQ(a.ports[0]->error(), "");
  a.check();
}

TEST("esp port: a peer that does not listen stops neither sending nor receiving") {
  if (!have_root("esp port: nobody there")) return;
  Wire wire;
  for (bool ipv6 : {false, true}) {
    CHECK_EQ(wire.b.run(ipv6 ? "sysctl -qw net.ipv6.icmp.ratelimit=0" : "sysctl -qw net.ipv4.icmp_ratelimit=0"), 0);
    End a(esp_options_for(wire.a, ipv6, 1), 2);
    const IpAddress peer = address(ipv6, 2);
    for (int i = 0; i < 50; ++i)
      a.send({a.sealed(peer, esp_packet(1, 300)), a.sealed(peer, esp_train(1, 4, 900), 900)});
    CHECK_EQ(a.count(Counter::tx_packets), 50u * 5);
    // Who sends reads the errors that are in the way; the other worker hears them too, and they come up at reading.
    pollfd wait{a.ports[1]->descriptors().at(0).fd, 0, 0};
    for (int i = 0; i < 20 && poll(&wait, 1, 100) == 0; ++i) {
      a.send({a.sealed(peer, esp_packet(1, 300))});  // the kernel there answers only so many a second
    }
    CHECK_EQ(poll(&wait, 1, 0), 1);
    Packet* none[4];
    CHECK_EQ(a.ports[1]->receive(none, 4, kTime, kTime, a.pools, a.row), 0u);
    End b(esp_options_for(wire.b, ipv6, 2));
    a.send({a.sealed(peer, esp_train(1, 4, 900), 900)});
    CHECK(datagrams_of(b.receive(4)).size() == 4);
    b.send({b.sealed(a.local, esp_packet(2, 400)), b.sealed(a.local, esp_packet(3, 400))});
    CHECK_EQ(a.receive(2, 64, 0).size(), 2u);
    for (auto& port : a.ports) CHECK_EQ(port->error(), "");
    CHECK_EQ(a.told().size(), 0u);
    a.check();
    b.check();
  }
}

TEST("esp port: no route, and a peer of the other family, are told by error() and counted") {
  if (!have_root("esp port: no route")) return;
  Wire wire;
  End a(esp_options_for(wire.a, false, 1));
  const Bytes far = {192, 0, 2, 1};
  const IpAddress peer = IpAddress::v4(far.data());
  End b(esp_options_for(wire.b, false, 2));
  a.send({a.sealed(b.local, esp_packet(1, 100)), a.sealed(peer, esp_packet(1, 300)),
          a.sealed(b.local, esp_packet(1, 101)), a.sealed(peer, esp_train(1, 3, 300), 300),
          a.sealed(address(true, 2), esp_train(1, 2, 300), 300), a.sealed(b.local, esp_packet(1, 102))});
  CHECK(datagrams_of(b.receive(3)) == std::vector<Bytes>({esp_packet(1, 100), esp_packet(1, 101), esp_packet(1, 102)}));
  CHECK_EQ(a.count(Counter::drop_port_error), 1u + 3 + 2);
  CHECK_EQ(a.count(Counter::tx_packets), 3u);
  CHECK(a.ports[0]->error().find("cannot send to ") == 0);
  const auto told = a.told();
  CHECK_EQ(told.size(), 1u);
  CHECK(!told.empty() && told[0].kind == EventKind::failure);
  a.check();
  b.check();
}

TEST("esp port: a receive buffer that overflows is counted, and so is an empty pool") {
  if (!have_root("esp port: overflow")) return;
  Wire wire;
  EspPort::Options options = esp_options_for(wire.b, false, 2);
  options.receive_buffer = 1;
  End a(esp_options_for(wire.a, false, 1));
  End b(options);
  for (int i = 0; i < 50; ++i) a.send({a.sealed(b.local, esp_packet(1, 1000))});
  const size_t arrived = b.receive(1).size();
  CHECK(arrived < 50);
  for (int i = 0; i < 2; ++i) {  // the kernel tells its total with each packet
    a.send({a.sealed(b.local, esp_packet(1, 1000))});
    CHECK_EQ(b.receive(1).size(), 1u);
  }
  CHECK_EQ(b.count(Counter::rx_kernel_dropped) + arrived, 50u);
  std::vector<Packet*> all;
  while (Packet* packet = b.pools.take(2049)) all.push_back(packet);
  a.send({a.sealed(b.local, esp_packet(1, 1000))});
  Packet* none[4];
  CHECK_EQ(b.ports[0]->receive(none, 4, kTime, kTime, b.pools, b.row), 0u);
  CHECK_EQ(b.count(Counter::rx_pool_empty), 1u);
  for (Packet* packet : all) release(packet);
  CHECK_EQ(b.receive(1).size(), 1u);
  a.check();
  b.check();
}

TEST("esp port: what was read and not handed on is given back at closing") {
  if (!have_root("esp port: closing")) return;
  Wire wire;
  End a(esp_options_for(wire.a, false, 1));
  End b(esp_options_for(wire.b, false, 2));
  std::vector<Packet*> packets;
  for (int i = 0; i < 20; ++i) packets.push_back(a.sealed(b.local, esp_packet(1, 100)));
  a.send(packets);
  CHECK_EQ(b.receive(20, 3).size(), 20u);  // small bursts
  CHECK_EQ(b.count(Counter::rx_packets), 20u);
  b.ports.clear();
  a.check();
  b.check();
}

TEST("esp port: what cannot be opened says why") {
  if (!have_root("esp port: errors")) return;
  Wire wire;
  const auto error = [&](const EspPort::Options& options, const std::string& code, const std::string& text) {
    std::vector<std::unique_ptr<Port>> ports;
    uint32_t mtu;
    const NetResult result = open_esp(options, 2, ports, mtu);
    CHECK_EQ(std::string(result.code ? result.code : "none"), code);
    if (result.message.find(text) == std::string::npos) fail(__FILE__, __LINE__, result.message + " lacks " + text);
    CHECK(ports.empty());
  };
  error(esp_options_for(wire.a, false, 9), "ERR_OVERLANE_MISSING", "10.77.0.9");
  error(esp_options_for(wire.a, true, 9), "ERR_OVERLANE_MISSING", "fd77::9");
  EspPort::Options options = esp_options_for(wire.a, false, 1);
  options.netns = "/run/netns/udp-none";
  error(options, "ERR_OVERLANE_MISSING", "ip netns add udp-none");
  std::thread([&] {  // capabilities are a thread's own
    give_up_net_raw();
    error(esp_options_for(wire.a, false, 1), "ERR_OVERLANE_PERMISSION", "CAP_NET_RAW");
  })
      .join();
}

}  // namespace overlane
