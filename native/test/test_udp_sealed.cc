// The udp port when what it carries is sealed (ESP in UDP): trains in one piece, steered by their source.
#include "net/link_message.h"
#include "test/udp_lab.h"

namespace overlane {

using namespace udp_test;
using namespace test;

namespace {

UdpPort::Options sealed_options(const Namespace& space, bool ipv6, uint8_t last) {
  UdpPort::Options options = options_for(space, ipv6, last);
  options.udp_port = 4500;
  options.trains = options.steer_by_source = true;
  return options;
}

void check_one(const std::vector<Arrived>& arrived, const Bytes& bytes, uint16_t stride) {
  CHECK_EQ(arrived.size(), 1u);
  for (const Arrived& each : arrived) {
    CHECK(all_of(each) == bytes);
    CHECK_EQ(each.datagram.stride, stride);
    CHECK_EQ(each.datagram.keyring, 0);
    CHECK_EQ(each.segment, 0);
    CHECK_EQ(each.flags, 0);
  }
}

}  // namespace

TEST("udp sealed: a ready train goes out by one call and comes in as one packet") {
  if (!have_root("udp sealed: trains")) return;
  Wire wire;
  for (bool ipv6 : {false, true}) {
    End a(sealed_options(wire.a, ipv6, 1));
    End b(sealed_options(wire.b, ipv6, 2));
    CHECK_EQ(a.port().offloads(), 0);
    const Bytes train = esp_train(0x1234, 10, 1000, 300);
    a.send({a.sealed(b.local, train, 1000, 5, 2)});
    const auto arrived = b.receive(1);
    check_one(arrived, train, 1000);
    CHECK(!arrived.empty() && arrived[0].datagram.peer == a.local && arrived[0].datagram.tos == 2);
    CHECK_EQ(a.count(Counter::tx_packets), 11u);
    CHECK_EQ(a.count(Counter::tx_bytes), train.size());
    CHECK_EQ(a.count(Counter::segmented), 10u);
    CHECK_EQ(b.count(Counter::rx_packets), 1u);
    CHECK_EQ(b.count(Counter::rx_bytes), train.size());
    CHECK_EQ(b.count(Counter::coalesced), 0u);
    // What is said to be a train but is one datagram.
    const Bytes one = esp_packet(0x1234, 700);
    a.send({a.sealed(b.local, one, 1000), a.sealed(b.local, slice(train, 0, 1000), 1000)});
    CHECK(datagrams_of(b.receive(2)) == std::vector<Bytes>({one, slice(train, 0, 1000)}));
    CHECK_EQ(a.count(Counter::tx_packets), 13u);
    a.check();
    b.check();
  }
}

TEST("udp sealed: packets without a stride join a train, and trains keep their place among them") {
  if (!have_root("udp sealed: joining")) return;
  Wire wire;
  End a(sealed_options(wire.a, false, 1));
  End b(sealed_options(wire.b, false, 2));
  const Bytes train = esp_train(7, 4, 500, 20);
  std::vector<Packet*> packets;
  for (uint8_t i = 0; i < 5; ++i) packets.push_back(a.sealed(b.local, esp_packet(7, 500, i)));
  packets.push_back(a.sealed(b.local, train, 500));
  for (uint32_t spi : {7, 8, 8, 7}) packets.push_back(a.sealed(b.local, esp_packet(spi, 500)));
  a.send(packets);
  const auto arrived = b.receive(3);
  const std::vector<Bytes> expected{
      esp_train(7, 5, 500), train,
      join({esp_packet(7, 500), esp_packet(8, 500), esp_packet(8, 500), esp_packet(7, 500)})};
  CHECK_EQ(arrived.size(), expected.size());
  for (size_t i = 0; i < std::min(arrived.size(), expected.size()); ++i) {
    CHECK(all_of(arrived[i]) == expected[i]);
    CHECK_EQ(arrived[i].datagram.stride, expected[i].size() > 500 ? 500 : 0);
  }
  CHECK_EQ(a.count(Counter::tx_packets), 5u + 5 + 4);
  a.check();
  b.check();
}

TEST("udp sealed: what looks like frames of a flow is neither read nor merged") {
  if (!have_root("udp sealed: not read")) return;
  Wire wire;
  End a(sealed_options(wire.a, false, 1));
  End b(sealed_options(wire.b, false, 2));
  Bytes train;
  std::vector<Bytes> pieces;
  for (const Bytes& each : cut_up(super_frame({}, 1000 * 6), 1000)) {
    pieces.push_back(join({kVxlan, each}));
    train = join({train, pieces.back()});
  }
  const auto stride = static_cast<uint16_t>(pieces[0].size());
  a.send({a.sealed(b.local, train, stride)});
  check_one(b.receive(1), train, stride);
  // Nor is a checksum that was never computed taken for one to complete.
  const Bytes open = join({kVxlan, with_partial_checksum({}, frame_of({}, payload_bytes(500)))});
  a.send({a.sealed(b.local, open)});
  check_one(b.receive(1), open, 0);
  a.check();
  b.check();
}

TEST("udp sealed: a train of more datagrams or bytes than one call takes goes out by several") {
  if (!have_root("udp sealed: long trains")) return;
  Wire wire;
  for (bool ipv6 : {false, true}) {
    End a(sealed_options(wire.a, ipv6, 1));
    End b(sealed_options(wire.b, ipv6, 2));
    const Bytes many = esp_train(9, 150, 200, 30);
    a.send({a.sealed(b.local, many, 200)});
    auto arrived = b.receive(3);
    CHECK_EQ(arrived.size(), 3u);
    Bytes got;
    for (const Arrived& each : arrived) got = join({got, all_of(each)});
    CHECK(got == many);
    const Bytes large = esp_train(9, 46, 1425);
    CHECK(large.size() > 65507);
    a.send({a.sealed(b.local, large, 1425)});
    arrived = b.receive(2);
    CHECK_EQ(arrived.size(), 2u);
    got.clear();
    for (const Arrived& each : arrived) got = join({got, all_of(each)});
    CHECK(got == large);
    CHECK_EQ(a.count(Counter::tx_packets), 151u + 46);
    CHECK_EQ(a.count(Counter::tx_bytes), b.count(Counter::rx_bytes));
    a.check();
    b.check();
  }
}

TEST("udp sealed: without UDP_SEGMENT, by choice or because the kernel refuses, a train goes out one by one") {
  if (!have_root("udp sealed: without UDP_SEGMENT")) return;
  Wire wire;
  for (bool refused : {false, true}) {
    UdpPort::Options options = sealed_options(wire.a, false, 1);
    options.gso = refused;
    End a(options);
    if (refused) set_senders(a, SOL_SOCKET, SO_NO_CHECK, 1);
    End b(sealed_options(wire.b, false, 2));
    const Bytes train = esp_train(11, 20, 1300, 100);
    for (int i = 0; i < 2; ++i) {
      a.send({a.sealed(b.local, train, 1300, 0, 1)});
      CHECK(!a.port().segments());
      const auto arrived = b.receive(21);
      CHECK_EQ(arrived.size(), 21u);
      Bytes got;
      for (const Arrived& each : arrived) {
        got = join({got, all_of(each)});
        CHECK_EQ(each.datagram.stride, 0);
        CHECK_EQ(each.datagram.tos, 1);
      }
      CHECK(got == train);
    }
    CHECK_EQ(a.count(Counter::tx_packets), 42u);
    CHECK_EQ(a.port().error(), "");
    a.check();
    b.check();
  }
}

TEST("udp sealed: every datagram of a train that is lost is counted") {
  if (!have_root("udp sealed: losses")) return;
  Wire wire;
  CHECK_EQ(wire.a.ip("route add 10.77.0.2/32 dev u0 mtu 1400"), 0);
  End a(sealed_options(wire.a, false, 1));
  End b(sealed_options(wire.b, false, 2));
  a.send({a.sealed(b.local, esp_train(1, 4, 1473, 20), 1473), a.sealed(b.local, esp_packet(1, 1473))});
  CHECK_EQ(a.count(Counter::drop_mtu), 6u);
  CHECK_EQ(a.told().size(), 0u);
  // The path carries only the last one.
  a.send({a.sealed(b.local, esp_train(1, 4, 1373, 20), 1373)});
  CHECK_EQ(a.count(Counter::drop_mtu), 6u + 4);
  CHECK(datagrams_of(b.receive(1)) == std::vector<Bytes>{esp_packet(1, 20, 99)});
  CHECK_EQ(a.told().size(), 1u);
  CHECK_EQ(a.port().error(), "");
  const Bytes far = {192, 0, 2, 1};
  a.send({a.sealed(IpAddress::v4(far.data()), esp_train(1, 4, 1000, 20), 1000)});
  CHECK_EQ(a.count(Counter::drop_port_error), 5u);
  a.send({a.sealed(address(true, 2), esp_train(1, 2, 1000), 1000), a.sealed(address(true, 2), esp_packet(1, 100))});
  CHECK_EQ(a.count(Counter::drop_port_error), 5u + 3);
  CHECK_EQ(a.count(Counter::tx_packets), 1u);
  CHECK_EQ(a.count(Counter::tx_bytes), 20u);
  a.check();
  b.check();
}

TEST("udp sealed: each peer is received by one worker, whatever its ports and SPIs, alone and in trains") {
  if (!have_root("udp sealed: steering")) return;
  Wire wire;
  // Trains from this side are cut by the device and put together again at the other end, as over a wire; where that
  // cannot be had, they come in one piece.
  wire.a.run("ethtool -K u0 tx-udp-segmentation off tso off >/dev/null 2>&1");
  wire.b.run("ethtool -K u0 gro on >/dev/null 2>&1");
  for (uint8_t other : {3, 4, 5}) {
    CHECK_EQ(wire.a.ip("address add " + to_text(address(false, other)) + "/24 dev u0"), 0);
    CHECK_EQ(wire.a.ip("address add " + to_text(address(true, other)) + "/64 dev u0 nodad"), 0);
  }
  for (bool ipv6 : {false, true}) {
    for (uint32_t workers : {2u, 3u}) {
      End b(sealed_options(wire.b, ipv6, 2), workers);
      std::vector<std::vector<Bytes>> sent(workers);
      uint64_t trains = 0;
      for (uint8_t peer : {1, 3, 4, 5}) {
        End a(sealed_options(wire.a, ipv6, peer));
        uint8_t bytes[16];
        auto& into = sent[load_be32(bytes + a.local.write(bytes) - 4) % workers];
        for (uint32_t i = 0; i < 8; ++i) {
          const uint32_t spi = 0x9e3779b9 * (i + peer);
          const Bytes one = esp_packet(spi, 60 + i);
          const Bytes train = esp_train(spi, 6, 900, 33);
          const auto flow = static_cast<uint16_t>(i);
          a.send({a.sealed(b.local, one, 0, flow), a.sealed(b.local, train, 900, flow)});
          into.push_back(one);
          for (size_t at = 0; at < train.size(); at += 900) {
            into.push_back(slice(train, at, std::min<size_t>(900, train.size() - at)));
          }
        }
        a.check();
      }
      for (uint32_t worker = 0; worker < workers; ++worker) {
        std::vector<Bytes> got;
        while (got.size() < sent[worker].size()) {
          const auto arrived = b.receive(1, 64, worker);
          if (arrived.empty()) break;
          for (const Arrived& each : arrived) trains += each.datagram.stride != 0;
          for (const Bytes& each : datagrams_of(arrived)) got.push_back(each);
        }
        CHECK(got == sent[worker]);
      }
      CHECK(sent[0].size() != 0 && sent[1].size() != 0 && trains > 0);
      b.check();
    }
  }
}

TEST("udp sealed: a kernel that does not steer is said at once, and the port is taken by no other") {
  if (!have_root("udp sealed: opening")) return;
  Wire wire;
  const auto error = [&](uint32_t workers, const std::string& code, const std::string& text) {
    std::vector<std::unique_ptr<Port>> ports;
    uint32_t mtu;
    const NetResult result = open_udp(sealed_options(wire.a, false, 1), workers, ports, mtu);
    CHECK_EQ(std::string(result.code ? result.code : "none"), code);
    if (result.message.find(text) == std::string::npos) fail(__FILE__, __LINE__, result.message + " lacks " + text);
    CHECK(ports.empty());
  };
  {
    const End a(sealed_options(wire.a, false, 1), 2);
    error(2, "ERR_OVERLANE_BUSY", "UDP port 4500 of 10.77.0.1 is in use");
    error(1, "ERR_OVERLANE_BUSY", "IPsec daemon");
  }
  // Room for the sockets' own filter, but not for this program.
  if (wire.a.run("sysctl -qw net.core.optmem_max=224 2>/dev/null") != 0) {
    std::cout << "skip  udp sealed: a kernel that refuses to steer (needs Linux 6.7)\n";
    return;
  }
  error(2, "ERR_OVERLANE_SYSTEM", "SO_ATTACH_REUSEPORT_CBPF");
  error(2, "ERR_OVERLANE_SYSTEM", "use one worker");
  const End one(sealed_options(wire.a, false, 1), 1);
}

}  // namespace overlane
