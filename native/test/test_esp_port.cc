// The esp port against the kernel: what is sent arrives, as it was and in order, and how it looks on the wire.
#include "net/link_message.h"
#include "test/udp_lab.h"
#include "wire/ipv4.h"

namespace overlane {

using namespace udp_test;
using namespace test;

namespace {

// A raw socket with nothing of the port in it.
class Plain {
 public:
  Plain(const Namespace& space, int family, int type, int protocol) {
    const NetResult result = in_namespace(space.path(), [&] {
      fd = socket(family, type, protocol);
      return NetResult{};
    });
    CHECK(result && fd >= 0);
  }
  ~Plain() { close(fd); }
  Plain(const Plain&) = delete;
  Plain& operator=(const Plain&) = delete;

  void send(const IpAddress& to, const Bytes& bytes) const {
    const SocketAddress address = socket_address(to, 0, 0);
    CHECK_EQ(sendto(fd, bytes.data(), bytes.size(), 0, &address.any, address.length),
             static_cast<ssize_t>(bytes.size()));
  }
  // The next packet; empty after a while without one.
  Bytes receive(int timeout_ms = 1000) const {
    pollfd wait{fd, POLLIN, 0};
    if (poll(&wait, 1, timeout_ms) <= 0) return {};
    Bytes bytes(70000);
    const ssize_t n = recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return bytes;
  }

  int fd = -1;
};

// Asks the esp protocol of b for an answer by ICMP: destination unreachable, protocol (RFC 1122, section 3.2.2.1), or
// parameter problem, unrecognized next header (RFC 8200, section 4). True: there was one within the time.
bool is_refused(const Wire& wire, bool ipv6, int timeout_ms) {
  const Plain icmp(wire.a, ipv6 ? AF_INET6 : AF_INET, SOCK_RAW, ipv6 ? ip_protocol::kIcmpv6 : ip_protocol::kIcmp);
  const Plain sender(wire.a, ipv6 ? AF_INET6 : AF_INET, SOCK_RAW, 50);
  sender.send(address(ipv6, 2), esp_packet(5, 100));
  for (int i = 0; i < 100; ++i) {  // neighbor discovery goes the same way
    const Bytes got = icmp.receive(timeout_ms);
    if (got.empty()) return false;
    const size_t at = ipv6 ? 0 : 20;
    if (got.size() > at + 1 && got[at] == (ipv6 ? 4 : 3) && got[at + 1] == (ipv6 ? 1 : 2)) return true;
  }
  return false;
}

}  // namespace

TEST("esp port: packets and trains arrive as they were, with their sender and ECN bits") {
  if (!have_root("esp port: packets")) return;
  Wire wire;
  for (bool ipv6 : {false, true}) {
    End a(esp_options_for(wire.a, ipv6, 1));
    End b(esp_options_for(wire.b, ipv6, 2));
    CHECK_EQ(a.mtu, 1500u);
    CHECK_EQ(a.ports[0]->offloads(), 0);
    const uint32_t longest = ipv6 ? 1460 : 1480;
    std::vector<Packet*> packets;
    std::vector<Bytes> sent;
    for (size_t size : {40u, 1000u, 1000u, longest, 8u, 1u}) {
      sent.push_back(size < 4 ? Bytes(size, 7) : esp_packet(0xf4faae1b, size, static_cast<uint8_t>(size)));
      packets.push_back(a.sealed(b.local, sent.back(), 0, 9, 3));
    }
    const Bytes train = esp_train(0xf4faae1b, 70, 1300, 111);
    for (size_t at = 0; at < train.size(); at += 1300 * 35) {  // each smaller than a packet buffer
      const Bytes part = slice(train, at, std::min<size_t>(1300 * 35, train.size() - at));
      packets.push_back(a.sealed(b.local, part, 1300, 9, 3));
      for (size_t in = 0; in < part.size(); in += 1300) {
        sent.push_back(slice(part, in, std::min<size_t>(1300, part.size() - in)));
      }
    }
    a.send(packets);
    const auto arrived = b.receive(sent.size());
    CHECK(datagrams_of(arrived) == sent);
    for (const Arrived& each : arrived) {
      CHECK(each.datagram.peer == a.local);
      CHECK_EQ(each.datagram.tos, 3);
      CHECK_EQ(each.datagram.stride, 0);
      CHECK_EQ(each.segment + each.flags, 0);
    }
    CHECK_EQ(a.count(Counter::tx_packets), sent.size());
    CHECK_EQ(b.count(Counter::rx_packets), sent.size());
    CHECK_EQ(a.count(Counter::tx_bytes), b.count(Counter::rx_bytes));
    a.check();
    b.check();
  }
}

TEST("esp port: on the wire it is IP protocol 50, never to be cut, with the TTL and TOS asked for") {
  if (!have_root("esp port: wire")) return;
  Wire wire;
  for (bool ipv6 : {false, true}) {
    Plain sniffer(wire.b, AF_PACKET, SOCK_DGRAM, htons(ipv6 ? 0x86dd : 0x0800));
    EspPort::Options options = esp_options_for(wire.a, ipv6, 1);
    options.ttl = 33;
    End a(options);
    const Bytes packet = esp_packet(0x12345678, 200);
    a.send({a.sealed(address(ipv6, 2), packet, 0, 0, 0xba)});
    for (int i = 0; i < 20; ++i) {  // neighbor discovery comes first
      Bytes got = sniffer.receive();
      CHECK(!got.empty());
      if (got.empty() || got[ipv6 ? 6 : 9] != 50) continue;
      if (ipv6) {
        CHECK_EQ(load_be16(got.data()) >> 4, 0x6ba);  // a flow label follows
        CHECK_EQ(load_be16(&got[4]), 200);
        CHECK_EQ(got[7], 33);
      } else {
        CHECK(slice(got, 0, 4) == hex("45ba00dc"));
        CHECK_EQ(got[6], 0x40);  // DF
        CHECK_EQ(got[8], 33);
      }
      CHECK(slice(got, ipv6 ? 40 : 20, 200) == packet);
      break;
    }
    a.check();
  }
}

TEST("esp port: fragments are put together by the kernel, and IPv4 options are taken off") {
  if (!have_root("esp port: fragments")) return;
  Wire wire;
  for (bool ipv6 : {false, true}) {
    End b(esp_options_for(wire.b, ipv6, 2));
    Plain plain(wire.a, ipv6 ? AF_INET6 : AF_INET, SOCK_RAW, 50);
    const Bytes large = esp_packet(77, 30000);
    plain.send(b.local, large);
    auto arrived = b.receive(1);
    CHECK(datagrams_of(arrived) == std::vector<Bytes>{large});
    CHECK(!arrived.empty() && arrived[0].datagram.peer == address(ipv6, 1));
    if (!ipv6) {
      const Bytes nops(8, 1);
      CHECK_EQ(setsockopt(plain.fd, SOL_IP, IP_OPTIONS, nops.data(), 8), 0);
      plain.send(b.local, esp_packet(78, 100));
      arrived = b.receive(1);
      CHECK(datagrams_of(arrived) == std::vector<Bytes>{esp_packet(78, 100)});
    }
    b.check();
  }
}

TEST("esp port: an IPv4 header that is not whole is refused") {
  Pools pools(4, 1);
  const Bytes right =
      join({hex("46b8 0020 0000 4000 4032 0000 0a000001 0a000002 01010101"), hex("0000000a 00000001 ff")});
  const auto strip = [&](const Bytes& bytes) {
    Packet* packet = packet_of(pools, bytes);
    Datagram datagram{};
    const bool done = strip_ipv4(*packet, datagram);
    const Bytes left = done ? bytes_of(*packet) : Bytes{};
    CHECK_EQ(datagram.tos, done ? 0xb8 : 0);
    release(packet);
    return left;
  };
  CHECK(strip(right) == hex("0000000a 00000001"));  // what follows the datagram is not of it
  for (size_t size = 0; size < 32; ++size) CHECK(strip(slice(right, 0, size)).empty());
  const auto with = [&](size_t at, uint8_t value) {
    Bytes bytes = right;
    bytes[at] = value;
    return bytes;
  };
  CHECK(strip(with(0, 0x66)).empty());  // IPv6
  CHECK(strip(with(0, 0x44)).empty());  // no room for the addresses
  CHECK(strip(with(3, 0x17)).empty());  // ends inside the header
  CHECK(strip(with(3, 0xff)).empty());  // is longer than what came
}

TEST("esp port: each peer is received by its worker and by no other") {
  if (!have_root("esp port: workers")) return;
  Wire wire;
  for (uint8_t other : {3, 4, 5}) {
    CHECK_EQ(wire.a.ip("address add " + to_text(address(false, other)) + "/24 dev u0"), 0);
    CHECK_EQ(wire.a.ip("address add " + to_text(address(true, other)) + "/64 dev u0 nodad"), 0);
  }
  for (bool ipv6 : {false, true}) {
    for (uint32_t workers : {2u, 3u}) {
      End b(esp_options_for(wire.b, ipv6, 2), workers);
      std::vector<std::vector<Bytes>> sent(workers);
      for (uint8_t peer : {1, 3, 4, 5}) {
        End a(esp_options_for(wire.a, ipv6, peer));
        uint8_t bytes[16];
        auto& into = sent[load_be32(bytes + a.local.write(bytes) - 4) % workers];
        for (uint32_t i = 0; i < 20; ++i) {
          into.push_back(esp_packet(0x9e3779b9 * (i + peer), 60 + i));
          a.send({a.sealed(b.local, into.back())});
        }
        a.check();
      }
      for (uint32_t worker = 0; worker < workers; ++worker) {
        CHECK(datagrams_of(b.receive(sent[worker].size(), 64, worker)) == sent[worker]);
      }
      CHECK(!sent[0].empty() && !sent[1].empty());
      CHECK_EQ(b.count(Counter::rx_kernel_dropped), 0u);  // what the others got
      b.check();
    }
  }
}

TEST("esp port: while it is open the kernel sends no ICMP that nobody takes ESP") {
  if (!have_root("esp port: protocol unreachable")) return;
  Wire wire;
  for (bool ipv6 : {false, true}) {
    CHECK_EQ(wire.b.run(ipv6 ? "sysctl -qw net.ipv6.icmp.ratelimit=0" : "sysctl -qw net.ipv4.icmp_ratelimit=0"), 0);
    if (!is_refused(wire, ipv6, 1000)) {
      std::cout << "skip  esp port: protocol unreachable (needs a kernel without ESP of its own)\n";
      return;
    }
    for (uint32_t workers : {1u, 2u}) {
      End b(esp_options_for(wire.b, ipv6, 2), workers);
      CHECK(!is_refused(wire, ipv6, 300));
      CHECK_EQ(b.receive(1, 64, 5 % workers).size(), 1u);
      b.check();
    }
    CHECK(is_refused(wire, ipv6, 1000));
  }
}

}  // namespace overlane
