#include <random>

#include "test/next_hop_host.h"

using namespace overlane;
using namespace overlane::test;

BOTH_TEST("next_hop: answers of strangers, for others, and broken ones change nothing", ignores) {
  Host host(v6);
  host.send(host.frame(1), kStart, 1);
  const Bytes good = answer(v6, address(v6, 2), 0x22);
  std::vector<Bytes> bad = {answer(v6, address(v6, 9), 0x22), with_tag(good, 5)};
  auto with = [&](size_t at, uint8_t value, bool fix = true) {
    Bytes frame = good;
    frame[at] = value;
    if (v6 && fix) fix_nd(frame);
    bad.push_back(frame);
  };
  with(5, 0x12);  // to another station
  if (v6) {
    with(21, 254);  // hop limit
    with(57, good[57] ^ 1, false);
    with(55, 1);     // code
    with(79, 0);     // option of no length
    with(79, 2);     // option longer than the message
    with(80, 0x03);  // group MAC
    with(22, 0xff);  // from a group
    with(53, 7);     // to another address
    Bytes shortened = nd(mac(0x11), mac(0x22), address(v6, 2), address(v6, 1), 136, 0x60, address(v6, 2), {2, 1, 2, 4});
    bad.push_back(shortened);
    bad.push_back(Bytes(good.begin(), good.begin() + 77));
    Bytes mapped = nd(mac(0x11), mac(0x22), address(v6, 2), address(v6, 1), 136, 0x60,
                      hex("00000000000000000000ffffc0a84d02"), join({{2, 1}, mac(0x22)}));
    bad.push_back(mapped);
  } else {
    with(15, 6);     // hardware
    with(19, 8);     // protocol length; then too short as well
    with(21, 3);     // operation
    with(22, 0x03);  // group MAC
    bad.push_back(Bytes(good.begin(), good.begin() + 41));
    Bytes zero = good;
    std::fill(zero.begin() + 22, zero.begin() + 28, 0);
    bad.push_back(zero);
  }
  for (const Bytes& frame : bad) CHECK(host.hear(frame, kStart, 1).empty());
  CHECK_EQ(host.lab.total(Counter::consumed), 0u);
  CHECK_EQ(host.lab.total(Counter::originated), 1u);
  CHECK_EQ(host.hear(good, kStart).size(), 1u);
}

BOTH_TEST("next_hop: requests for the local address are answered, byte for byte; others are not", answers) {
  Host host(v6);
  const Bytes expected =
      v6 ? hex("02420a000022 02420a000011 86dd 60000000 0020 3a ff fd000000000000000000000000000001"
               "fd000000000000000000000000000002 8800 124a 60000000 fd000000000000000000000000000001 0201 02420a000011")
         : hex("02420a000022 02420a000011 0806 0001 0800 0604 0002 02420a000011 c0a84d01 02420a000022 c0a84d02");
  CHECK(host.hear(question(v6, address(v6, 2), 0x22, 1), kStart) == std::vector<Bytes>{expected});
  CHECK_EQ(host.lab.total(v6 ? Counter::underlay_nd_replied : Counter::underlay_arp_replied), 1u);
  CHECK_EQ(host.lab.total(Counter::consumed), 1u);
  CHECK(goes_to(host.send(host.frame(1), kStart).at(0), 0x22));  // who asks says its MAC, too
  CHECK(host.hear(question(v6, address(v6, 9), 0x29, 3), kStart).empty());
  CHECK(host.hear(question(v6, address(v6, 1), 0x29, 1), kStart).empty());  // claims to be us
  CHECK_EQ(host.lab.total(Counter::drop_underlay_other), 2u);
  const Bytes probe = v6 ? nd(hex("3333ff000001"), mac(0x29), Bytes(16, 0), hex("ff02000000000000 00000001ff000001"),
                              135, 0, address(v6, 1), {})
                         : question(v6, {0, 0, 0, 0}, 0x29, 1);
  const Bytes defended =
      v6 ? hex("333300000001 02420a000011 86dd 60000000 0020 3a ff fd000000000000000000000000000001"
               "ff020000000000000000000000000001 8800 5049 20000000 fd000000000000000000000000000001 0201 02420a000011")
         : hex("02420a000029 02420a000011 0806 0001 0800 0604 0002 02420a000011 c0a84d01 02420a000029 00000000");
  CHECK(host.hear(probe, kStart) == std::vector<Bytes>{defended});
  if (!v6) return;
  Bytes spoofed = question(v6, address(v6, 2), 0x22, 1);
  spoofed[21] = 254;
  CHECK(host.hear(spoofed, kStart).empty());
  spoofed[21] = 255;
  spoofed[57] ^= 1;
  CHECK(host.hear(spoofed, kStart).empty());
  CHECK(host.hear(question(v6, hex("00000000000000000000ffffc0a84d02"), 0x22, 1), kStart).empty());
  CHECK_EQ(host.lab.total(Counter::underlay_nd_replied), 2u);
}

BOTH_TEST("next_hop: any bytes keep the accounting and the pools whole", any_bytes) {
  DataplaneOptions few;
  few.small_packets = 64;
  few.large_packets = 8;
  Host host(v6, {address(v6, 2), address(v6, 3), far(v6, 4)}, true, few);
  std::mt19937 random(7);
  Nanos now = kStart;
  for (int turn = 0; turn < 6000; ++turn) {
    now += random() % 800 * kMs;
    const auto from = static_cast<uint8_t>(random() % 5 == 0 ? 254 : random() % 4 + 1);
    const auto at = static_cast<uint8_t>(random() % 4 + 0x21);
    Bytes frame = random() % 3 == 0   ? question(v6, address(v6, from), at, 1)
                  : random() % 2 == 0 ? announcement(v6, address(v6, from), at)
                                      : answer(v6, address(v6, from), at);
    for (auto flips = random() % 3; flips > 0; --flips) frame[random() % frame.size()] = static_cast<uint8_t>(random());
    if (v6 && random() % 4 != 0) fix_nd(frame);
    if (random() % 8 == 0) frame.resize(random() % frame.size());
    host.lab.inject(host.wire, frame);
    host.lab.inject(host.container, host.frame(1, static_cast<int>(random() % 3)));
    host.lab.dataplane.run(now, UINT64_MAX);
    if (random() % 4 != 0) next_hop_timer(host.lab.dataplane.context());
    host.lab.settled(host.lab.dataplane.context().next_hops.waiting());
    host.lab.drain(host.wire);
  }
  CHECK(host.lab.total(Counter::next_hop_resolved) > 100 && host.lab.total(Counter::next_hop_failed) > 10);
  host.lab.dataplane.remove_underlay(host.underlay);
  host.lab.settled();
}
