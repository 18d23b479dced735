// What the tap port makes of virtio-net headers, and which it writes: byte by byte over a socket in place of a TAP.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "port/tap.h"
#include "stage/parse.h"
#include "test/check.h"
#include "test/frames.h"

namespace overlane {
namespace {

using test::Bytes;
using test::hex;
using test::join;

constexpr uint8_t kAll = kTakesPartialChecksum | kTakesTso | kTakesUso;

// A port whose other end is this object: one message a frame, as a TAP has it.
class Rig {
 public:
  explicit Rig(uint8_t offloads = kAll) {
    int ends[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
    other_ = ends[1];
    port = std::make_unique<TapPort>(ends[0], true, offloads);
  }
  ~Rig() {
    CHECK_EQ(pools.small().available(), pools.small().size());
    CHECK_EQ(pools.large().available(), pools.large().size());
    close(other_);
  }
  void give(const Bytes& message) {
    CHECK_EQ(write(other_, message.data(), message.size()), static_cast<ssize_t>(message.size()));
  }
  // What the port wrote next; empty: nothing.
  Bytes taken() {
    Bytes message(70000);
    const ssize_t n = read(other_, message.data(), message.size());
    message.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return message;
  }
  Packet* packet(const Bytes& frame, uint16_t segment = 0, uint16_t flags = 0) {
    Packet* made = pools.take(static_cast<uint32_t>(frame.size()));
    std::copy(frame.begin(), frame.end(), made->data);
    made->length = static_cast<uint32_t>(frame.size());
    made->segment = segment;
    made->flags = flags;
    made->time = 0;
    made->headers = parse_frame(made->data, made->length);
    return made;
  }
  // Receives the one message given, and hands it to `look` before it is released; how many packets it was.
  template <typename F>
  uint32_t receive(F look) {
    Packet* packets[4];
    const uint32_t count = port->receive(packets, 4, 9, 9, pools, row);
    for (uint32_t i = 0; i < count; ++i) {
      look(*packets[i]);
      release(packets[i]);
    }
    return count;
  }
  uint32_t refused(const Bytes& message) {
    const uint64_t before = row.get(Counter::drop_offload);
    give(message);
    CHECK_EQ(receive([](Packet&) {}), 0u);
    return static_cast<uint32_t>(row.get(Counter::drop_offload) - before);
  }

  std::unique_ptr<TapPort> port;
  Pools pools{16, 4};
  CounterRow row;

 private:
  int other_;
};

const Bytes kPlain(10, 0);

// 10.0.0.2:1234 > 10.0.0.3:80, flags as given; the checksum field holds `checksum`.
Bytes tcp4(const std::string& flags, size_t payload, const std::string& sequence = "00000001",
           const std::string& checksum = "0000") {
  Bytes frame =
      join({test::mac(3), test::mac(2), hex("0800 4500 0000 0001 4000 4006 0000 0a000002 0a000003"),
            hex("04d2 0050" + sequence + "00000001 50" + flags + "ffff" + checksum + "0000"), Bytes(payload, 0x5a)});
  const size_t total = frame.size() - 14;
  frame[16] = static_cast<uint8_t>(total >> 8);
  frame[17] = static_cast<uint8_t>(total);
  const uint16_t sum = test::ones_complement(frame, 14, 34);
  frame[24] = static_cast<uint8_t>(sum >> 8);
  frame[25] = static_cast<uint8_t>(sum);
  return frame;
}

// The same with a right TCP checksum.
Bytes finished(Bytes frame) {
  const size_t length = frame.size() - 34;
  const Bytes summed = join({{0, 6, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)},
                             Bytes(frame.begin() + 26, frame.end())});
  const uint16_t sum = test::ones_complement(summed, 0, summed.size());
  frame[50] = static_cast<uint8_t>(sum >> 8);
  frame[51] = static_cast<uint8_t>(sum);
  return frame;
}

TEST("tap frames: what is received is as its virtio-net header says") {
  Rig rig;
  rig.give(join({kPlain, test::arp_request(3, 2)}));
  CHECK_EQ(rig.receive([](Packet& packet) {
    CHECK(packet.is_ordinary());
    CHECK_EQ(packet.length, 42u);
    CHECK_EQ(packet.time, 9);
    CHECK(Bytes(packet.data, packet.data + packet.length) == test::arp_request(3, 2));
  }),
           1u);
  rig.give(join({hex("01 00 0000 0000 2200 1000"), tcp4("10", 8)}));
  CHECK_EQ(rig.receive([](Packet& packet) {
    CHECK_EQ(packet.flags, kPartialChecksum);
    CHECK_EQ(packet.segment, 0);
  }),
           1u);
  for (const char* type : {"01", "81"}) {  // with and without ECN
    rig.give(join({hex(std::string("01") + type + "3600 e803 2200 1000"), tcp4("10", 3000)}));
    CHECK_EQ(rig.receive([](Packet& packet) {
      CHECK_EQ(packet.flags, kPartialChecksum);
      CHECK_EQ(packet.segment, 1000);
    }),
             1u);
  }
  rig.give(join({hex("01 05 2a00 6400 2200 0600"), test::udp_frame(test::mac(3), test::mac(2), 2, 3, 342)}));
  CHECK_EQ(rig.receive([](Packet& packet) { CHECK_EQ(packet.segment, 100); }), 1u);
}

TEST("tap frames: a checksum that no flag describes is computed on the spot") {
  Rig rig;
  // A UDP datagram without checksum with a frame inside, whose own TCP checksum is to be done at 34 + 8 + 8 + 34.
  Bytes inner = tcp4("18", 5, "00000001", "1424");  // the sum of its pseudo-header: 10.0.0.2, 10.0.0.3, 6, 25
  Bytes frame = test::udp_frame(test::mac(3), test::mac(2), 2, 3, 50 + inner.size());
  std::copy(inner.begin(), inner.end(), frame.begin() + 50);
  rig.give(join({hex("01 00 0000 0000 5400 1000"), frame}));
  CHECK_EQ(rig.receive([&](Packet& packet) {
    CHECK(packet.is_ordinary());
    CHECK(Bytes(packet.data + 50, packet.data + packet.length) == finished(tcp4("18", 5)));
    CHECK(std::equal(packet.data, packet.data + 50, frame.begin()));
  }),
           1u);
}

TEST("tap frames: super-frames and checksums that make no sense are dropped by name") {
  Rig rig;
  const Bytes frame = tcp4("10", 3000);
  CHECK_EQ(rig.refused(join({hex("01 03 3600 e803 2200 1000"), frame})), 1u);  // UFO
  CHECK_EQ(rig.refused(join({hex("01 04 3600 e803 2200 1000"), frame})), 1u);  // TCP over IPv6, but it is not
  CHECK_EQ(rig.refused(join({hex("01 05 3600 e803 2200 1000"), frame})), 1u);  // UDP, but it is not
  CHECK_EQ(rig.refused(join({hex("01 01 3600 0000 2200 1000"), frame})), 1u);  // segments of nothing
  CHECK_EQ(rig.refused(join({hex("00 01 3600 e803 2200 1000"), frame})), 1u);  // without NEEDS_CSUM
  CHECK_EQ(rig.refused(join({hex("01 01 3600 e803 2300 1000"), frame})), 1u);  // the checksum is elsewhere
  CHECK_EQ(rig.refused(join({hex("01 00 0000 0000 ffff 1000"), frame})), 1u);  // behind the end
  CHECK_EQ(rig.refused(join({hex("01 00 0000 0000 ee0b ffff"), frame})), 1u);
  CHECK_EQ(rig.refused(join({hex("01 00 0000 0000 0000 0000"), Bytes(1, 0)})), 1u);
  CHECK_EQ(rig.row.get(Counter::rx_packets), 9u);
  CHECK_EQ(rig.port->error(), "");
}

TEST("tap frames: without a free buffer nothing is lost") {
  Rig rig;
  Packet* held[4];
  for (Packet*& packet : held) packet = rig.pools.take(Pools::kLargeRoom);
  rig.give(join({kPlain, test::arp_request(3, 2)}));
  CHECK_EQ(rig.receive([](Packet&) {}), 0u);
  CHECK_EQ(rig.row.get(Counter::rx_pool_empty), 1u);
  for (Packet* packet : held) release(packet);
  CHECK_EQ(rig.receive([](Packet&) {}), 1u);
}

TEST("tap frames: what is sent has the header that it needs") {
  Rig rig;
  const auto sent = [&](Packet* packet) {
    CHECK_EQ(rig.port->transmit(&packet, 1, rig.row), 1u);
    return rig.taken();
  };
  CHECK(sent(rig.packet(test::arp_request(3, 2))) == join({kPlain, test::arp_request(3, 2)}));
  const Bytes one = tcp4("10", 8);
  CHECK(sent(rig.packet(one, 0, kPartialChecksum)) == join({hex("01 00 0000 0000 2200 1000"), one}));
  const Bytes super = tcp4("10", 3000);
  CHECK(sent(rig.packet(super, 1000, kPartialChecksum)) == join({hex("01 01 3600 e803 2200 1000"), super}));
  const Bytes reduced = tcp4("90", 3000);  // CWR
  CHECK(sent(rig.packet(reduced, 1000, kPartialChecksum)) == join({hex("01 81 3600 e803 2200 1000"), reduced}));
  const Bytes udp = test::udp_frame(test::mac(3), test::mac(2), 2, 3, 342);
  CHECK(sent(rig.packet(udp, 100, kPartialChecksum)) == join({hex("01 05 2a00 6400 2200 0600"), udp}));
  Packet* tight = rig.packet(one);  // all its headroom was used up
  std::copy_backward(tight->data, tight->data + one.size(), tight->buffer() + 3 + one.size());
  std::copy(one.begin(), one.end(), tight->buffer() + 3);
  tight->data = tight->buffer() + 3;
  CHECK(sent(tight) == join({kPlain, one}));

  Packet* refused[] = {rig.packet(test::arp_request(3, 2), 20, kPartialChecksum), rig.packet(one)};
  CHECK_EQ(rig.port->transmit(refused, 2, rig.row), 2u);  // the second goes out all the same
  CHECK_EQ(rig.row.get(Counter::drop_offload), 1u);
  CHECK(rig.taken() == join({kPlain, one}));
  Rig old(kTakesPartialChecksum | kTakesTso);  // a kernel before 6.2
  Packet* datagrams = old.packet(udp, 100, kPartialChecksum);
  CHECK_EQ(old.port->transmit(&datagrams, 1, old.row), 1u);
  CHECK_EQ(old.row.get(Counter::drop_offload), 1u);
}

TEST("tap frames: packets of a flow in a row leave as one super-frame") {
  const Bytes parts[] = {finished(tcp4("10", 1000, "00000001")), finished(tcp4("10", 1000, "000003e9")),
                         finished(tcp4("18", 500, "000007d1"))};
  const auto transmit = [&](Rig& rig) {
    Packet* packets[] = {rig.packet(parts[0]), rig.packet(parts[1]), rig.packet(parts[2]),
                         rig.packet(test::arp_request(3, 2))};
    rig.row.add(Counter::tx_packets, 4);
    rig.row.add(Counter::tx_bytes, 3 * 54 + 2500 + 42);
    CHECK_EQ(rig.port->transmit(packets, 4, rig.row), 4u);
  };
  Rig rig;
  transmit(rig);
  const Bytes super = rig.taken();
  CHECK_EQ(super.size(), 10u + 54 + 2500);
  if (super.size() != 10 + 54 + 2500) return;
  CHECK(Bytes(super.begin(), super.begin() + 10) == hex("01 01 3600 e803 2200 1000"));
  const Bytes whole = tcp4("18", 2500, "00000001", "1de3");  // the sum of its pseudo-header, for 2520 bytes
  CHECK(Bytes(super.begin() + 10, super.end()) == whole);
  CHECK(rig.taken() == join({kPlain, test::arp_request(3, 2)}));
  CHECK_EQ(rig.row.get(Counter::coalesced), 2u);
  CHECK_EQ(rig.row.get(Counter::tx_packets), 2u);
  CHECK_EQ(rig.row.get(Counter::tx_bytes), 54u + 2500 + 42);

  Rig plain(0);  // without offload each for itself
  transmit(plain);
  for (const Bytes& part : parts) CHECK(plain.taken() == join({kPlain, part}));
  CHECK_EQ(plain.row.get(Counter::coalesced), 0u);
}

}  // namespace
}  // namespace overlane
