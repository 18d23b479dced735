// AF_XDP on one end of a veth pair, and a plain packet socket or the kernel's own stack at the other.
#include <arpa/inet.h>
#include <netinet/in.h>

#include "offload/segment.h"
#include "test/xdp_wire.h"

namespace overlane {

using namespace test;

TEST("xdp port: frames cross byte for byte, both ways, in both modes, tagged ones too") {
  if (!have_root("xdp port: frames cross")) return;
  for (const bool generic : {false, true}) {
    XdpWire wire;
    wire.options.generic = generic;
    CHECK_EQ(wire.open().message, "");
    CHECK_EQ(wire.mode, generic ? "generic, copy" : "native, copy");
    CHECK(wire.ports.size() == 2 && wire.ports[0] == nullptr);
    CHECK_EQ(wire.link.mtu, 1500u);
    const Raw peer(wire.veth, "p1");
    for (const size_t size : {60, 64, 65, 127, 128, 1000, 1514}) {
      for (const Bytes& frame : {udp_frame(mac(4), mac(2), 2, 4, size), with_tag(numbered(7, size), 0x6064)}) {
        CHECK(peer.send(frame));
        CHECK(wire.take_one() == frame);
        CHECK_EQ(wire.send({frame}), 1u);
        CHECK(peer.receive() == frame);
      }
    }
    CHECK_EQ(wire.count(Counter::tx_packets), 14u);
    CHECK_EQ(wire.pools.small().available(), 2048u);
  }
}

TEST("xdp port: rings wrap around with the order kept") {
  if (!have_root("xdp port: rings wrap around")) return;
  constexpr uint32_t kFrames = 12'000;
  constexpr uint32_t kStep = 100;  // of 128 that the ring has
  XdpWire wire;
  CHECK_EQ(wire.open().message, "");
  const Raw peer(wire.veth, "p1");
  uint32_t wrong = 0;
  for (uint32_t first = 0; first < kFrames && wrong == 0; first += kStep) {
    std::vector<Bytes> frames;
    for (uint32_t i = 0; i < kStep; ++i) frames.push_back(numbered(first + i, 60 + (first + i) % 1400));
    for (const Bytes& frame : frames) CHECK(peer.send(frame));
    for (const Bytes& frame : frames) wrong += wrong == 0 && wire.take_one() != frame;
    CHECK_EQ(wire.send(frames), kStep);
    for (const Bytes& frame : frames) wrong += wrong == 0 && peer.receive() != frame;
  }
  CHECK_EQ(wrong, 0u);
  CHECK_EQ(wire.count(Counter::tx_packets), kFrames);
  CHECK_EQ(wire.count(Counter::rx_kernel_dropped), 0u);
}

TEST("xdp port: what the kernel drops is counted, and a dry pool leaves frames in the ring") {
  if (!have_root("xdp port: what the kernel drops")) return;
  XdpWire wire;
  CHECK_EQ(wire.open().message, "");
  const Raw peer(wire.veth, "p1");
  for (uint32_t i = 0; i < 200; ++i) peer.send(numbered(i));
  usleep(50'000);
  Pools dry(0, 0);
  Packet* none[1];
  CHECK_EQ(wire.port().receive(none, 1, 0, 0, dry, wire.row), 0u);
  CHECK_EQ(wire.count(Counter::rx_pool_empty), 1u);
  const auto packets = wire.take(256, 50);
  CHECK_EQ(packets.size(), 128u);
  CHECK_EQ(wire.count(Counter::rx_kernel_dropped), 72u);
  for (Packet* packet : packets) release(packet);
  peer.send(numbered(200));
  CHECK(wire.take_one() == numbered(200));
}

TEST("xdp port: a sleeper is woken, and idle rings cost no call") {
  if (!have_root("xdp port: a sleeper is woken")) return;
  XdpWire wire;
  CHECK_EQ(wire.open().message, "");
  const Raw peer(wire.veth, "p1");
  const auto descriptors = wire.port().descriptors();
  CHECK(descriptors.size() == 1 && descriptors[0].input);
  pollfd wait{descriptors[0].fd, POLLIN, 0};
  CHECK_EQ(poll(&wait, 1, 0), 0);
  CHECK_EQ(wire.port().next_due(), kNever);
  peer.send(numbered(1));
  CHECK_EQ(poll(&wait, 1, 2000), 1);
  CHECK_EQ(wire.port().next_due(), Port::kNow);
  CHECK(wire.take_one() == numbered(1));
  CHECK_EQ(wire.port().next_due(), kNever);
}

TEST("xdp port: more than the ring holds is refused, and too long or empty is lost by name") {
  if (!have_root("xdp port: more than the ring holds")) return;
  XdpWire wire;
  CHECK_EQ(wire.open().message, "");
  const Raw peer(wire.veth, "p1");
  CHECK_EQ(wire.send(std::vector<Bytes>(200, numbered(1))), 128u);
  CHECK_EQ(wire.count(Counter::drop_port_full), 72u);
  CHECK_EQ(wire.send(std::vector<Bytes>(128, numbered(2))), 128u);
  CHECK_EQ(wire.send({Bytes(2049, 1), {}, numbered(3)}), 3u);
  CHECK_EQ(wire.count(Counter::drop_mtu), 1u);
  CHECK_EQ(wire.count(Counter::drop_malformed), 1u);
  CHECK_EQ(wire.count(Counter::tx_packets), 257u);
  CHECK_EQ(wire.count(Counter::tx_bytes), 257u * 64);
  for (int i = 0; i < 256; ++i) CHECK_EQ(peer.receive().size(), 64u);
  CHECK(peer.receive() == numbered(3));
  CHECK_EQ(wire.pools.small().available(), 2048u);
}

TEST("xdp port: every queue that was asked for is read, and the others are left to the kernel") {
  if (!have_root("xdp port: every queue")) return;
  for (const uint32_t queues : {1u, 2u}) {
    XdpWire wire;
    CHECK_EQ(wire.veth.run("ethtool -L p0 rx 2 tx 2") + wire.veth.run("ethtool -L p1 rx 2 tx 2"), 0);
    wire.options.queues = queues;
    CHECK_EQ(wire.open().message, "");
    CHECK_EQ(wire.port().descriptors().size(), queues);
    const Raw peer(wire.veth, "p1");
    const Raw stack(wire.veth, "p0");
    for (uint8_t flow = 0; flow < 64; ++flow) {
      Bytes frame = numbered(flow);
      frame[35] = flow;  // UDP source port, by which the kernel spreads flows
      CHECK(peer.send(frame));
    }
    const auto packets = wire.take(64, queues == 2 ? 2000 : 50);
    CHECK(queues == 2 ? packets.size() == 64 : packets.size() > 8 && packets.size() < 56);
    for (size_t i = packets.size(); i < 64; ++i) CHECK_EQ(stack.receive().size(), 64u);
    CHECK(stack.receive(10).empty());
    for (Packet* packet : packets) release(packet);
    CHECK_EQ(wire.send({numbered(1)}), 1u);
    CHECK(peer.receive() == numbered(1));
  }
}

TEST("xdp port: a link without carrier, or down, drops by name and sends again when it is back") {
  if (!have_root("xdp port: a link without carrier")) return;
  XdpWire wire;
  CHECK_EQ(wire.open().message, "");
  CHECK_EQ(wire.veth.ip("link set p1 down"), 0);  // p0 has lost its carrier
  CHECK_EQ(wire.send(std::vector<Bytes>(100, numbered(1))), 100u);
  CHECK_EQ(wire.count(Counter::drop_port_full), 100u);
  CHECK_EQ(wire.count(Counter::tx_packets), 0u);
  CHECK_EQ(wire.count(Counter::tx_bytes), 0u);
  wire.port().link_changed({LinkState::down, wire.link.index, 1500});
  CHECK_EQ(wire.send({numbered(2)}), 0u);
  CHECK_EQ(wire.count(Counter::drop_link_down), 1u);

  CHECK_EQ(wire.veth.ip("link set p1 up") + wire.veth.ip("link set p0 down"), 0);
  const Raw peer(wire.veth, "p1");
  wire.port().link_changed({LinkState::up, wire.link.index, 1500});
  CHECK_EQ(wire.send({numbered(3)}), 1u);  // waits in the ring
  CHECK_EQ(wire.send({numbered(4)}), 0u);
  CHECK_EQ(wire.count(Counter::drop_link_down), 2u);
  CHECK_EQ(wire.veth.ip("link set p0 up"), 0);
  CHECK_EQ(wire.send({numbered(5)}), 1u);
  CHECK(peer.receive() == numbered(3));
  CHECK(peer.receive() == numbered(5));
}

// The kernel at p1 sends a TCP SYN to p0, where nobody is but the port.
TEST("xdp port: checksums that a kernel's stack left unfinished are marked, finished ones are not") {
  if (!have_root("xdp port: checksums")) return;
  for (const bool generic : {false, true}) {
    XdpWire wire;
    wire.options.generic = generic;
    CHECK_EQ(wire.veth.ip("address add 10.0.0.4/24 dev p1"), 0);
    CHECK_EQ(wire.veth.ip("neigh add 10.0.0.2 lladdr 02:42:0a:00:00:02 dev p1"), 0);
    CHECK_EQ(wire.open().message, "");
    for (const bool offload : {true, false}) {
      CHECK_EQ(wire.veth.run(std::string("ethtool -K p1 tx ") + (offload ? "on" : "off") + " >/dev/null"), 0);
      in_namespace(wire.veth.path(), []() -> NetResult {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        sockaddr_in to{AF_INET, htons(80), {htonl(0x0a000002)}, {}};
        (void)!connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
        close(fd);
        return {};
      });
      const auto packets = wire.take(1);
      CHECK_EQ(packets.size(), 1u);
      if (packets.empty()) return;
      Packet& syn = *packets[0];
      CHECK_EQ(syn.flags, offload ? kPartialChecksum : 0);
      syn.headers = parse_frame(syn.data, syn.length);
      if (offload) CHECK(complete_checksum(syn));
      Bytes summed = join({Bytes(syn.data + 26, syn.data + 34),
                           {0, 6, 0, static_cast<uint8_t>(syn.length - 34)},
                           Bytes(syn.data + 34, syn.data + syn.length)});
      CHECK_EQ(ones_complement(summed, 0, summed.size()), 0);
      release(&syn);
    }
  }
}

}  // namespace overlane
