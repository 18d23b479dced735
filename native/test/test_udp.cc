// The udp port against the kernel: two of them in two namespaces joined by veth, and one with the kernel's vxlan
// device.
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <set>

#include "offload/segment.h"
#include "port/udp.h"
#include "port/virtio_header.h"
#include "test/check.h"
#include "test/offload_frames.h"
#include "test/root.h"

namespace overlane {
namespace {

using namespace test;

constexpr Nanos kTime = 1'000'000'000'000;
const Bytes kVxlan = hex("08000000 00100100");

struct Wire {
  Namespace a{"udp-a"};
  Namespace b{"udp-b"};
  Wire() {
    CHECK_EQ(test::run("ip link add u0 netns " + a.name() + " type veth peer name u0 netns " + b.name()), 0);
    for (const Namespace* space : {&a, &b}) {
      const std::string last = space == &a ? "1" : "2";
      CHECK_EQ(space->ip("link set u0 up"), 0);
      CHECK_EQ(space->ip("address add 10.77.0." + last + "/24 dev u0"), 0);
      CHECK_EQ(space->ip("address add fd77::" + last + "/64 dev u0 nodad"), 0);
    }
  }
};

IpAddress address(bool ipv6, uint8_t last) {
  const Bytes v4 = {10, 77, 0, last};
  Bytes v6 = hex("fd770000 00000000 00000000 00000000");
  v6[15] = last;
  return ipv6 ? IpAddress::v6(v6.data()) : IpAddress::v4(v4.data());
}

UdpPort::Options options_for(const Namespace& space, bool ipv6, uint8_t last) {
  UdpPort::Options options;
  options.netns = space.path();
  options.local = address(ipv6, last);
  return options;
}

// Bytes of what arrived, and what the port said of it.
struct Arrived {
  Bytes frame;
  Bytes prefix;
  uint16_t segment;
  uint16_t flags;
  Datagram datagram;
};

// A port with what its caller has: buffers, a row of counters that it counts in as the pipeline does, events.
class End {
 public:
  explicit End(const UdpPort::Options& options, uint32_t workers = 1) : local(options.local) {
    result = open_udp(options, workers, ports, mtu);
    CHECK_EQ(result.message, "");
    for (auto& port : ports) port->report_to(&events, 3);
  }
  UdpPort& port() { return static_cast<UdpPort&>(*ports[0]); }

  Packet* packet(const IpAddress& peer, const Bytes& frame, uint16_t segment = 0, uint16_t flags = 0, uint16_t flow = 0,
                 uint8_t tos = 0) {
    Packet* packet = packet_of(pools, join({kVxlan, frame}), segment, flags);
    packet->headers = parsed(frame);
    packet->time = time;
    set_datagram(*packet, {peer, flow, tos, {}});
    row.add(Counter::rx_packets);
    return packet;
  }
  void send(std::vector<Packet*> packets) {
    row.add(Counter::tx_packets, packets.size());
    for (const Packet* packet : packets) row.add(Counter::tx_bytes, packet->length);
    const auto count = static_cast<uint32_t>(packets.size());
    CHECK_EQ(ports[0]->transmit(packets.data(), count, row), count);
  }
  // Everything that comes within a while; `burst` packets at a time.
  std::vector<Arrived> receive(size_t expected, uint32_t burst = 64, size_t port = 0) {
    std::vector<Arrived> all;
    bool full = false;
    for (int round = 0; round < 10000; ++round) {
      pollfd wait{ports[port]->descriptors().at(0).fd, POLLIN, 0};
      if (!full && poll(&wait, 1, all.size() < expected ? 1000 : 0) <= 0) break;
      Packet* packets[kMaxBurst];
      const uint32_t count = ports[port]->receive(packets, burst, time, time, pools, row);
      full = count == burst;
      CHECK(count <= burst);
      row.add(Counter::rx_packets, count);
      row.add(Counter::consumed, count);
      for (uint32_t i = 0; i < count; ++i) all.push_back(taken(packets[i]));
    }
    return all;
  }
  // Of rx_packets, what was made up by packet() counts too. Any end by itself balances.
  int64_t imbalance() const {
    int64_t left = 0;
    for (size_t i = 0; i < kCounterCount; ++i) {
      const std::string name = kCounterInfo[i].name;
      const auto value = static_cast<int64_t>(row.values[i]);
      if (name == "rx_packets" || name == "cloned" || name == "segmented") left += value;
      if (name == "tx_packets" || name == "consumed" || name == "coalesced" || name.rfind("drop_", 0) == 0)
        left -= value;
    }
    return left;
  }
  uint64_t count(Counter counter) const { return row.get(counter); }
  void check() const {
    CHECK_EQ(imbalance(), 0);
    CHECK(whole(pools));
  }
  std::vector<Event> told() {
    std::vector<Event> all;
    for (Event event; events.pop(event);) all.push_back(event);
    return all;
  }

  IpAddress local;
  Nanos time = kTime;
  NetResult result;
  uint32_t mtu = 0;
  Pools pools{4096, 128};
  CounterRow row;
  EventRing events;
  std::vector<std::unique_ptr<Port>> ports;

 private:
  Arrived taken(Packet* packet) {
    row.add(Counter::rx_bytes, packet->length);
    const Bytes all = bytes_of(*packet);
    const size_t prefix = std::min<size_t>(8, all.size());
    const Arrived arrived{slice(all, prefix, all.size() - prefix), slice(all, 0, prefix), packet->segment,
                          packet->flags, datagram_of(*packet)};
    release(packet);
    return arrived;
  }
};

// The packets that a super-frame is on the wire, by cut(), whose own tests judge it.
std::vector<Bytes> cut_up(const Bytes& frame, uint16_t segment) {
  Pools pools(256, 2);
  Packet* out[kMaxBurst];
  const uint32_t count = cut(packet_of(pools, frame, segment, kPartialChecksum), out, kMaxBurst, pools);
  std::vector<Bytes> all;
  for (uint32_t i = 0; i < count; ++i) {
    all.push_back(bytes_of(*out[i]));
    release(out[i]);
  }
  return all;
}

void check_same(const std::vector<Arrived>& arrived, const std::vector<Bytes>& frames) {
  CHECK_EQ(arrived.size(), frames.size());
  for (size_t i = 0; i < std::min(arrived.size(), frames.size()); ++i) {
    CHECK(arrived[i].frame == frames[i]);
    CHECK(arrived[i].prefix == kVxlan);
  }
}

// A setting of all sending sockets.
void set_senders(End& end, int level, int option, int value) {
  for (const Port::Descriptor& each : end.port().descriptors()) {
    if (!each.input) CHECK_EQ(setsockopt(each.fd, level, option, &value, sizeof value), 0);
  }
}

Bytes super_frame(const Flow& flow, size_t payload, uint8_t seed = 1) {
  return with_partial_checksum(flow, frame_of(flow, payload_bytes(payload, seed)));
}

}  // namespace

TEST("udp: packets that do not go together arrive as they were, with their sender and ECN bits") {
  if (!have_root("udp: ordinary packets")) return;
  Wire wire;
  for (bool ipv6 : {false, true}) {
    End a(options_for(wire.a, ipv6, 1));
    End b(options_for(wire.b, ipv6, 2));
    CHECK_EQ(a.mtu, 1500u);
    std::vector<Packet*> packets;
    std::vector<Bytes> frames;
    const Flow flow;  // all with the same sequence number
    for (size_t size : {18, 1000, 1000, 400, 1376, 60}) {
      frames.push_back(frame_of(flow, payload_bytes(size, static_cast<uint8_t>(size))));
      packets.push_back(a.packet(b.local, frames.back(), 0, 0, 9, 3));
    }
    // A frame too short for anything is passed on, for others to judge.
    frames.push_back({1, 2, 3});
    packets.push_back(a.packet(b.local, frames.back(), 0, 0, 9, 3));
    a.send(packets);
    const auto arrived = b.receive(frames.size());
    check_same(arrived, frames);
    for (const Arrived& each : arrived) {
      CHECK(each.datagram.peer == a.local);
      CHECK_EQ(each.datagram.tos, 3);
      CHECK_EQ(each.segment, 0);
      CHECK_EQ(each.flags, 0);
    }
    CHECK_EQ(a.count(Counter::tx_packets), frames.size());
    CHECK_EQ(b.count(Counter::rx_packets), frames.size());
    CHECK_EQ(a.count(Counter::tx_bytes), b.count(Counter::rx_bytes));
    a.check();
    b.check();
  }
}

TEST("udp: a super-frame is cut for the wire and arrives whole") {
  if (!have_root("udp: super-frames")) return;
  Wire wire;
  for (bool ipv6 : {false, true}) {
    End a(options_for(wire.a, ipv6, 1));
    End b(options_for(wire.b, ipv6, 2));
    for (const Flow& flow : all_flows()) {
      const size_t segment = 1360 - header_of(flow);
      for (size_t payload : {segment * 3, segment * 40 + 7}) {
        const Bytes frame = super_frame(flow, payload);
        const uint64_t segmented = a.count(Counter::segmented);
        const uint64_t coalesced = b.count(Counter::coalesced);
        a.send({a.packet(b.local, frame, static_cast<uint16_t>(segment), kPartialChecksum)});
        const auto arrived = b.receive(1);
        check_same(arrived, {frame});
        CHECK(!arrived.empty() && arrived[0].segment == segment && arrived[0].flags == kPartialChecksum);
        CHECK_EQ(a.count(Counter::segmented) - segmented, (payload + segment - 1) / segment - 1);
        CHECK_EQ(b.count(Counter::coalesced) - coalesced, (payload + segment - 1) / segment - 1);
      }
    }
    CHECK(a.port().segments());
    CHECK_EQ(b.count(Counter::rx_packets) + a.count(Counter::rx_packets),
             a.count(Counter::tx_packets) + b.count(Counter::consumed));
    CHECK_EQ(a.count(Counter::tx_bytes), b.count(Counter::rx_bytes));
    a.check();
    b.check();
  }
}

TEST("udp: a super-frame of more datagrams than a train holds, between packets of its flow, keeps the order") {
  if (!have_root("udp: long super-frames")) return;
  Wire wire;
  End a(options_for(wire.a, false, 1));
  End b(options_for(wire.b, false, 2));
  const Flow flow{.tcp = false};
  const Bytes frame = super_frame(flow, 100 * 200 + 50);
  std::vector<Bytes> expected{frame_of(flow, payload_bytes(900))};
  for (const Bytes& each : cut_up(frame, 200)) expected.push_back(each);
  expected.push_back(frame_of(flow, payload_bytes(200, 3)));
  a.send({a.packet(b.local, expected.front()), a.packet(b.local, frame, 200, kPartialChecksum),
          a.packet(b.local, expected.back())});
  std::vector<Bytes> got;
  for (const Arrived& each : b.receive(4)) {
    for (const Bytes& one : each.segment == 0 ? std::vector<Bytes>{each.frame} : cut_up(each.frame, each.segment)) {
      got.push_back(one);
    }
  }
  CHECK_EQ(got.size(), expected.size());
  for (size_t i = 0; i < std::min(got.size(), expected.size()); ++i) {
    // Merging gives up the IDs, which count on from the first of each train.
    CHECK(slice(got[i], 34, got[i].size() - 34) == slice(expected[i], 34, expected[i].size() - 34));
  }
  CHECK_EQ(a.count(Counter::tx_packets), expected.size());
  CHECK_EQ(b.count(Counter::coalesced) + b.count(Counter::consumed), expected.size());
  a.check();
  b.check();
}

TEST("udp: without UDP_SEGMENT, by choice or because the kernel refuses, the same datagrams go out one by one") {
  if (!have_root("udp: without UDP_SEGMENT")) return;
  Wire wire;
  for (bool refused : {false, true}) {
    for (bool ipv6 : {false, true}) {
      UdpPort::Options options = options_for(wire.a, ipv6, 1);
      options.gso = refused;
      End a(options);
      // The kernel does not segment what is to have no checksum.
      if (refused && ipv6) set_senders(a, SOL_UDP, UDP_NO_CHECK6_TX, 1);
      if (refused && !ipv6) set_senders(a, SOL_SOCKET, SO_NO_CHECK, 1);
      End b(options_for(wire.b, ipv6, 2));
      const int on = 1;
      if (refused && ipv6) setsockopt(b.port().descriptors()[0].fd, SOL_UDP, UDP_NO_CHECK6_RX, &on, sizeof on);
      const Flow flow{.ipv6 = ipv6};
      const Bytes frame = super_frame(flow, 30000);
      const auto expected = cut_up(frame, 1300);
      a.send({a.packet(b.local, frame, 1300, kPartialChecksum, 0, 1)});
      CHECK(!a.port().segments());
      const auto arrived = b.receive(expected.size());
      check_same(arrived, expected);
      for (const Arrived& each : arrived) CHECK_EQ(each.datagram.tos, 1);
      a.send({a.packet(b.local, frame, 1300, kPartialChecksum)});
      check_same(b.receive(expected.size()), expected);
      CHECK_EQ(a.count(Counter::tx_packets), 2 * expected.size());
      CHECK_EQ(a.count(Counter::tx_bytes), b.count(Counter::rx_bytes));
      CHECK_EQ(a.port().error(), "");
      a.check();
      b.check();
    }
  }
}

TEST("udp: a device without checksum offload loses nothing") {
  if (!have_root("udp: without checksum offload")) return;
  Wire wire;
  // Older kernels refuse UDP_SEGMENT here (EIO); 6.18 computes the checksums itself.
  if (wire.a.run("ethtool -K u0 tx off >/dev/null 2>&1") != 0) {
    std::cout << "skip  udp: a device without checksum offload (needs ethtool: apt-get install ethtool)\n";
    return;
  }
  End a(options_for(wire.a, false, 1));
  End b(options_for(wire.b, false, 2));
  const Bytes frame = super_frame({}, 30000);
  a.send({a.packet(b.local, frame, 1300, kPartialChecksum)});
  uint64_t datagrams = b.receive(1).size();
  datagrams += b.count(Counter::coalesced);
  CHECK_EQ(datagrams, 24u);
  a.check();
  b.check();
}

TEST("udp: many flows and peers in one burst; each flow in order, packet by packet") {
  if (!have_root("udp: many flows")) return;
  Wire wire;
  CHECK_EQ(wire.b.ip("address add 10.77.0.3/24 dev u0"), 0);
  End a(options_for(wire.a, false, 1));
  End b(options_for(wire.b, false, 2));
  End c(options_for(wire.b, false, 3));
  std::map<std::pair<uint8_t, uint8_t>, std::vector<uint8_t>> sent;
  std::vector<Packet*> packets;
  uint32_t x = 7;
  for (uint8_t i = 0; i < 200; ++i) {
    x = x * 1664525 + 1013904223;
    const auto flow = static_cast<uint8_t>(x >> 24 & 7);
    End& to = x >> 20 & 1 ? b : c;
    Bytes frame = udp_frame(mac(2), mac(1), 1, 2, 60 + (x >> 16 & 3) * 100);
    frame[6 + 4] = flow;  // of the source MAC
    frame[6 + 5] = i;
    sent[{&to == &b ? 2 : 3, flow}].push_back(i);
    packets.push_back(a.packet(to.local, frame, 0, 0, flow));
  }
  a.send(packets);
  std::map<std::pair<uint8_t, uint8_t>, std::vector<uint8_t>> got;
  for (const Arrived& each : b.receive(200, 256)) got[{2, each.frame[10]}].push_back(each.frame[11]);
  for (const Arrived& each : c.receive(200, 256)) got[{3, each.frame[10]}].push_back(each.frame[11]);
  CHECK(got == sent);
  CHECK_EQ(a.count(Counter::tx_packets), 200u);
  for (End* end : {&a, &b, &c}) end->check();
}

TEST("udp: a burst smaller than a train hands it on in parts, and closing gives everything back") {
  if (!have_root("udp: small bursts")) return;
  Wire wire;
  End a(options_for(wire.a, false, 1));
  End b(options_for(wire.b, false, 2));
  std::vector<Packet*> packets;
  std::vector<Bytes> frames;
  for (uint8_t i = 0; i < 150; ++i) {
    frames.push_back(udp_frame(mac(2), mac(i), 1, 2, 90));  // no UDP checksum: never merged
    packets.push_back(a.packet(b.local, frames.back()));
  }
  a.send(packets);
  check_same(b.receive(150, 7), frames);
  CHECK_EQ(b.count(Counter::coalesced), 0u);
  b.check();
  packets.clear();
  for (const Bytes& frame : frames) packets.push_back(a.packet(b.local, frame));
  a.send(packets);
  Packet* some[5];
  CHECK_EQ(b.port().receive(some, 5, kTime, kTime, b.pools, b.row), 5u);
  for (Packet* packet : some) release(packet);
  b.row.add(Counter::rx_packets, 5);
  b.row.add(Counter::consumed, 5);
  b.ports.clear();
  a.check();
  b.check();
}

TEST("udp: an open checksum is completed before the wire, and one that never was is marked") {
  if (!have_root("udp: open checksums")) return;
  Wire wire;
  End a(options_for(wire.a, false, 1));
  End b(options_for(wire.b, false, 2));
  for (const Flow& flow : all_flows()) {
    const Bytes right = frame_of(flow, payload_bytes(500));
    const Bytes open = with_partial_checksum(flow, right);
    a.send({a.packet(b.local, open, 0, kPartialChecksum)});
    auto arrived = b.receive(1);
    check_same(arrived, {right});
    CHECK(!arrived.empty() && arrived[0].flags == 0);
    a.send({a.packet(b.local, open)});
    arrived = b.receive(1);
    check_same(arrived, {open});
    CHECK(!arrived.empty() && arrived[0].flags == kPartialChecksum && arrived[0].segment == 0);
  }
  // Nothing to complete in ARP, and nothing to cut.
  a.send({a.packet(b.local, arp_request(1, 2), 0, kPartialChecksum),
          a.packet(b.local, arp_request(1, 2), 1000, kPartialChecksum)});
  CHECK_EQ(a.count(Counter::drop_offload), 2u);
  a.check();
  b.check();
}

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
