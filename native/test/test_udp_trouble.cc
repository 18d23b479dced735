// The udp port when something is in the way, and with the kernel's vxlan device.
#include "test/udp_lab.h"

namespace overlane {

using namespace udp_test;
using namespace test;

TEST("udp: what is too big for the MTU is lost, and a smaller MTU on the path is told once") {
  if (!have_root("udp: path MTU")) return;
  Wire wire;
  CHECK_EQ(wire.a.ip("route add 10.77.0.2/32 dev u0 mtu 1400"), 0);
  CHECK_EQ(wire.a.ip("-6 route add fd77::2/128 dev u0 mtu 1400"), 0);
  for (bool ipv6 : {false, true}) {
    End a(options_for(wire.a, ipv6, 1));
    End b(options_for(wire.b, ipv6, 2));
    const uint32_t fits = 1400 - (ipv6 ? 48 : 28) - 8 - 14 - 20 - 8;  // inner UDP payload
    const Flow flow{.tcp = false};
    const auto frame = [&](size_t payload) { return frame_of(flow, payload_bytes(payload)); };
    a.send({a.packet(b.local, frame(fits + 101)), a.packet(b.local, super_frame(flow, 9000), 1460, kPartialChecksum)});
    CHECK_EQ(a.count(Counter::drop_mtu), 2u);
    CHECK_EQ(a.told().size(), 0u);
    // One alone, a train, a super-frame: 1, 3 and 8 datagrams that the path does not carry; the last of it is short.
    const Bytes large = super_frame(flow, (fits + 1) * 8 + 33);
    a.send({a.packet(b.local, frame(fits)), a.packet(b.local, frame(fits + 1))});
    a.send({a.packet(b.local, frame(fits + 1)), a.packet(b.local, frame(fits + 1)), a.packet(b.local, frame(fits + 1)),
            a.packet(b.local, frame(11))});
    a.send({a.packet(b.local, large, static_cast<uint16_t>(fits + 1), kPartialChecksum)});
    CHECK_EQ(a.count(Counter::drop_mtu), 2u + 1 + 3 + 8);
    check_same(b.receive(3), {frame(fits), frame(11), cut_up(large, static_cast<uint16_t>(fits + 1)).back()});
    auto told = a.told();
    CHECK_EQ(told.size(), 1u);
    for (const Event& event : told) {
      CHECK(event.kind == EventKind::mtu && event.ip == b.local);
      CHECK_EQ(event.value, 1400u);
      CHECK_EQ(event.port, 3);
      CHECK_EQ(event.time, kTime);
    }
    a.time += 1'500'000'000;
    a.send({a.packet(b.local, frame(fits + 1))});
    CHECK_EQ(a.told().size(), 1u);
    // Nothing of it keeps UDP_SEGMENT from being used.
    CHECK(a.port().segments());
    CHECK_EQ(a.port().error(), "");
    a.check();
    b.check();
  }
}

TEST("udp: what a router says about the path's MTU is told when it comes") {
  if (!have_root("udp: ICMP")) return;
  Wire wire;
  Namespace far{"udp-c"};
  CHECK_EQ(test::run("ip link add u1 netns " + wire.b.name() + " mtu 1300 type veth peer name u1 netns " + far.name() +
                     " mtu 1300"),
           0);
  CHECK_EQ(wire.b.ip("link set u1 up") + wire.b.ip("address add 10.78.0.2/24 dev u1"), 0);
  CHECK_EQ(wire.b.run("sysctl -qw net.ipv4.ip_forward=1"), 0);
  CHECK_EQ(far.ip("link set u1 up") + far.ip("address add 10.78.0.3/24 dev u1"), 0);
  CHECK_EQ(far.ip("route add default via 10.78.0.2") + wire.a.ip("route add 10.78.0.0/24 via 10.77.0.2"), 0);
  End a(options_for(wire.a, false, 1));
  const Bytes ip = {10, 78, 0, 3};
  const IpAddress peer = IpAddress::v4(ip.data());
  a.send({a.packet(peer, udp_frame(mac(2), mac(1), 1, 2, 1400))});
  pollfd wait[UdpPort::kMaxSenders];
  nfds_t count = 0;
  for (const Port::Descriptor& each : a.port().descriptors()) wait[count++] = {each.fd, 0, 0};
  CHECK(poll(wait, count, 1000) > 0);
  for (nfds_t i = 0; i < count; ++i) {
    if (wait[i].revents != 0) a.port().attend(wait[i].fd, kTime);
  }
  CHECK_EQ(poll(wait, count, 0), 0);  // attended to
  const auto told = a.told();
  CHECK_EQ(told.size(), 1u);
  for (const Event& event : told) {
    CHECK(event.kind == EventKind::mtu && event.ip == peer);
    CHECK_EQ(event.value, 1300u);
  }
  // The kernel knows it now, and refuses.
  a.send({a.packet(peer, udp_frame(mac(2), mac(1), 1, 2, 1400))});
  CHECK_EQ(a.count(Counter::drop_mtu), 1u);
  CHECK_EQ(a.told().size(), 0u);
  a.check();
}

TEST("udp: a peer that does not listen stops nothing") {
  if (!have_root("udp: closed port")) return;
  Wire wire;
  for (bool ipv6 : {false, true}) {
    CHECK_EQ(wire.b.run(ipv6 ? "sysctl -qw net.ipv6.icmp.ratelimit=0" : "sysctl -qw net.ipv4.icmp_ratelimit=0"), 0);
    End a(options_for(wire.a, ipv6, 1));
    const IpAddress peer = address(ipv6, 2);
    const Bytes frame = super_frame({}, 20000);
    for (int i = 0; i < 20; ++i) {
      a.send({a.packet(peer, frame_of({}, payload_bytes(300))), a.packet(peer, frame, 1300, kPartialChecksum)});
    }
    CHECK_EQ(a.count(Counter::tx_packets), 20u * 17);
    CHECK_EQ(a.port().error(), "");
    End b(options_for(wire.b, ipv6, 2));
    a.send({a.packet(peer, frame, 1300, kPartialChecksum)});
    check_same(b.receive(1), {frame});
    CHECK(a.port().segments());
    CHECK_EQ(a.told().size(), 0u);
    a.check();
    b.check();
  }
}

TEST("udp: no route, and a peer of the other family, are told by error() and counted") {
  if (!have_root("udp: no route")) return;
  Wire wire;
  End a(options_for(wire.a, false, 1));
  const Bytes far = {192, 0, 2, 1};
  a.send({a.packet(IpAddress::v4(far.data()), frame_of({}, payload_bytes(300))),
          a.packet(address(true, 2), frame_of({}, payload_bytes(300))),
          a.packet(IpAddress::v4(far.data()), super_frame({}, 2600), 1300, kPartialChecksum)});
  CHECK_EQ(a.count(Counter::drop_port_error), 4u);
  CHECK(a.port().error().find("cannot send to ") == 0);
  const auto told = a.told();
  CHECK_EQ(told.size(), 1u);
  CHECK(!told.empty() && told[0].kind == EventKind::failure);
  a.check();
}

TEST("udp: a receive buffer that overflows is counted, and so is an empty pool") {
  if (!have_root("udp: overflow")) return;
  Wire wire;
  UdpPort::Options options = options_for(wire.b, false, 2);
  options.receive_buffer = 1;
  End a(options_for(wire.a, false, 1));
  End b(options);
  for (int i = 0; i < 50; ++i) a.send({a.packet(b.local, frame_of({}, payload_bytes(1000)))});
  const size_t arrived = b.receive(1).size();
  CHECK(arrived < 50);
  for (int i = 0; i < 2; ++i) {  // the kernel tells its total with each packet
    a.send({a.packet(b.local, frame_of({}, payload_bytes(1000)))});
    CHECK_EQ(b.receive(1).size(), 1u);
  }
  CHECK_EQ(b.count(Counter::rx_kernel_dropped) + arrived, 50u);
  std::vector<Packet*> all;
  while (Packet* packet = b.pools.take(2049)) all.push_back(packet);
  a.send({a.packet(b.local, frame_of({}, payload_bytes(1000)))});
  Packet* none[4];
  CHECK_EQ(b.port().receive(none, 4, kTime, kTime, b.pools, b.row), 0u);
  CHECK_EQ(b.count(Counter::rx_pool_empty), 1u);
  for (Packet* packet : all) release(packet);
  CHECK_EQ(b.receive(1).size(), 1u);
  a.check();
  b.check();
}

TEST("udp: several workers share the port, each has its own source ports, and nobody else gets it") {
  if (!have_root("udp: workers")) return;
  Wire wire;
  End a(options_for(wire.a, false, 1), 2);
  End b(options_for(wire.b, false, 2), 2);
  std::set<uint16_t> ports;
  for (auto& port : b.ports) {
    for (const Port::Descriptor& each : port->descriptors()) {
      sockaddr_in bound{};
      socklen_t length = sizeof bound;
      getsockname(each.fd, reinterpret_cast<sockaddr*>(&bound), &length);
      if (each.input) CHECK_EQ(ntohs(bound.sin_port), 4789);
      if (!each.input && ntohs(bound.sin_port) >= 49152) ports.insert(bound.sin_port);
    }
  }
  CHECK_EQ(ports.size(), 8u);
  for (uint16_t flow = 0; flow < 4; ++flow) {
    for (int i = 0; i < 3; ++i) a.send({a.packet(b.local, frame_of({}, payload_bytes(300)), 0, 0, flow)});
  }
  const size_t first = b.receive(12, 64, 0).size();
  const size_t second = b.receive(first < 12 ? 12 : 0, 64, 1).size();
  CHECK_EQ(first + second, 12u);
  CHECK_EQ(first % 3, 0u);  // a flow stays with its worker
  for (uint32_t workers : {1u, 2u}) {
    std::vector<std::unique_ptr<Port>> others;
    uint32_t mtu;
    const NetResult result = open_udp(options_for(wire.b, false, 2), workers, others, mtu);
    CHECK_EQ(std::string(result.code ? result.code : ""), "ERR_OVERLANE_BUSY");
    CHECK(others.empty());
  }
  a.check();
  b.check();
}

TEST("udp: what cannot be opened says why") {
  if (!have_root("udp: errors")) return;
  Wire wire;
  const auto error = [&](const UdpPort::Options& options, const std::string& code, const std::string& text) {
    std::vector<std::unique_ptr<Port>> ports;
    uint32_t mtu;
    const NetResult result = open_udp(options, 1, ports, mtu);
    CHECK_EQ(std::string(result.code ? result.code : "none"), code);
    if (result.message.find(text) == std::string::npos) fail(__FILE__, __LINE__, result.message + " lacks " + text);
    CHECK(ports.empty());
  };
  CHECK_EQ(wire.a.ip("link add vx0 type vxlan id 7 dev u0 dstport 4789 && ip -n " + wire.a.name() + " link set vx0 up"),
           0);
  error(options_for(wire.a, false, 1), "ERR_OVERLANE_BUSY", "UDP port 4789 of 10.77.0.1 is in use");
  error(options_for(wire.a, false, 1), "ERR_OVERLANE_BUSY", "vxlan device");
  error(options_for(wire.a, false, 9), "ERR_OVERLANE_MISSING", "10.77.0.9");
  error(options_for(wire.a, true, 9), "ERR_OVERLANE_MISSING", "fd77::9");
  UdpPort::Options options = options_for(wire.b, false, 2);
  options.source_ports = 3;
  error(options, "ERR_OVERLANE_OPTION", "power of two");
  options.netns = "/run/netns/udp-none";
  options.source_ports = 4;
  error(options, "ERR_OVERLANE_MISSING", "ip netns add udp-none");
}

TEST("udp: super-frames from the kernel's vxlan device, whole in one datagram, are marked as such") {
  if (!have_root("udp: kernel vxlan")) return;
  Wire wire;
  CHECK_EQ(wire.a.ip("link add vx0 type vxlan id 4097 remote 10.77.0.2 dev u0 dstport 4789"), 0);
  CHECK_EQ(wire.a.ip("link set vx0 up"), 0);
  End b(options_for(wire.b, false, 2));
  int fd = -1;
  sockaddr_ll to{};
  const NetResult entered = in_namespace(wire.a.path(), [&] {
    fd = socket(AF_PACKET, SOCK_RAW, 0);
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(if_nametoindex("vx0"));
    to.sll_halen = 6;
    return NetResult{};
  });
  CHECK(entered && fd >= 0);
  const int on = 1;
  CHECK_EQ(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on), 0);
  for (bool ipv6 : {false, true}) {
    for (bool tcp : {true, false}) {
      const Flow flow{.ipv6 = ipv6, .tcp = tcp};
      const auto header = static_cast<uint16_t>(header_of(flow));
      const auto segment = static_cast<uint16_t>(1450 + 14 - header);  // as an MTU of 1450 has it
      const auto l4 = static_cast<uint16_t>(l4_of(flow));
      const Bytes frame = super_frame(flow, 20000);
      const VirtioHeader virtio{virtio::kNeedsChecksum,
                                tcp ? (ipv6 ? virtio::kGsoTcp6 : virtio::kGsoTcp4) : virtio::kGsoUdp,
                                header,
                                segment,
                                l4,
                                static_cast<uint16_t>(checksum_at(flow) - l4)};
      Bytes all(sizeof virtio);
      store(all.data(), virtio);
      all = join({all, frame});
      CHECK_EQ(sendto(fd, all.data(), all.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to),
               static_cast<ssize_t>(all.size()));
      const auto arrived = b.receive(1);
      std::vector<Arrived> ours;  // the kernel adds neighbor discovery of its own
      for (const Arrived& each : arrived) {
        if (each.frame.size() > 12 && slice(each.frame, 0, 12) == slice(frame, 0, 12)) ours.push_back(each);
      }
      CHECK_EQ(ours.size(), 1u);
      for (const Arrived& each : ours) {
        CHECK(each.frame == frame);
        CHECK_EQ(each.segment, segment);
        CHECK_EQ(each.flags, kPartialChecksum);
      }
    }
  }
  close(fd);
  b.check();
}

}  // namespace overlane
