// The udp port against the kernel: what is sent arrives, as it was and in order.
#include "test/udp_lab.h"

namespace overlane {

using namespace udp_test;
using namespace test;

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

}  // namespace overlane
