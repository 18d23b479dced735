#include "test/next_hop_host.h"

using namespace overlane;
using namespace overlane::test;

BOTH_TEST("next_hop: the request byte for byte; with the answer what waited goes out in order", waits_and_goes) {
  Host host(v6);
  CHECK(host.send(host.frame(1), kStart, 1) == host.request());
  CHECK(host.send(host.frame(2), kStart, 2).empty());
  CHECK(host.send(host.frame(3), kStart, 3).empty());
  const auto out = host.hear(answer(v6, address(v6, 2), 0x22), kStart + 5 * kMs);
  CHECK_EQ(out.size(), 3u);
  for (uint8_t i = 0; i < out.size(); ++i) {
    CHECK(goes_to(out[i], 0x22));
    CHECK(Bytes(out[i].end() - 80, out[i].end()) == host.frame(static_cast<uint8_t>(i + 1)));
  }
  CHECK(goes_to(host.send(host.frame(4), kStart + 6 * kMs).at(0), 0x22));
  CHECK_EQ(host.lab.total(Counter::originated), 1u);
  CHECK_EQ(host.lab.total(Counter::consumed), 1u);
  CHECK_EQ(host.lab.total(Counter::next_hop_resolved), 1u);
  const auto& news = host.lab.dataplane.context().news.list();
  CHECK_EQ(std::count_if(news.begin(), news.end(), [](const News& n) { return n.kind == News::Kind::next_hop; }), 1);
}

BOTH_TEST("next_hop: what waits has its headers as if it had not, tagged twice and on a mapped VLAN", same_headers) {
  const std::vector<DomainOptions> domains = {{100, 5000}};
  Host waits(v6, {}, false, {}, domains), known(v6, {}, false, {}, domains);
  known.lab.dataplane.set_next_hop(known.underlay, ip(address(v6, 2)), mac_of(0x22));
  for (const Bytes& inner : {with_tag(waits.frame(1), 100), with_tag(with_tag(waits.frame(1), 7), 100)}) {
    const auto expected = known.send(inner, kStart);
    CHECK_EQ(expected.size(), 1u);
    Host fresh(v6, {}, false, {}, domains);
    fresh.send(inner, kStart, 1);
    CHECK(fresh.hear(answer(v6, address(v6, 2), 0x22), kStart) == expected);
  }
}

BOTH_TEST("next_hop: beyond the prefix it is the gateway, for all who are there", by_gateway) {
  Host host(v6, {far(v6, 2), far(v6, 3), address(v6, 2)}, true);
  const auto asked = host.send(host.frame(1, 0), kStart, 1);
  CHECK_EQ(asked.size(), 1u);
  CHECK_EQ(asked[0][asked[0].size() - (v6 ? 9 : 1)], 254);
  CHECK(host.send(host.frame(2, 1), kStart, 2).empty());
  CHECK(host.hear(answer(v6, far(v6, 2), 0x22), kStart, 2).empty());  // the VTEP itself is no next hop
  const auto out = host.hear(answer(v6, address(v6, 254), 0x99), kStart);
  CHECK_EQ(out.size(), 2u);
  for (const Bytes& frame : out) CHECK(goes_to(frame, 0x99));
  CHECK(host.send(host.frame(3, 2), kStart, 1) == host.request());
  host.hear(answer(v6, address(v6, 2), 0x22), kStart);
  host.lab.dataplane.set_next_hop(host.underlay, ip(far(v6, 3)), mac_of(0x33));  // static wins over the gateway
  CHECK(goes_to(host.send(host.frame(4, 1), kStart).at(0), 0x33));
  CHECK(goes_to(host.send(host.frame(4, 0), kStart).at(0), 0x99));
}

BOTH_TEST("next_hop: asks three times, drops what waited, then pauses", gives_up) {
  Host host(v6);
  host.send(host.frame(1), kStart, 1);
  CHECK(host.timer(kStart + 900 * kMs, 1).empty());
  CHECK(host.timer(kStart + 1000 * kMs, 1) == host.request());
  CHECK(host.timer(kStart + 1900 * kMs, 1).empty());
  CHECK(host.timer(kStart + 2000 * kMs, 1) == host.request());
  CHECK(host.timer(kStart + 2900 * kMs, 1).empty());
  CHECK(host.timer(kStart + 3000 * kMs, 0).empty());
  CHECK_EQ(host.lab.total(Counter::drop_next_hop_unknown), 1u);
  CHECK_EQ(host.lab.total(Counter::next_hop_failed), 1u);
  CHECK(host.send(host.frame(2), kStart + 3100 * kMs).empty());
  CHECK(host.timer(kStart + 7900 * kMs).empty());
  CHECK(host.send(host.frame(3), kStart + 7900 * kMs).empty());
  CHECK_EQ(host.lab.total(Counter::drop_next_hop_unknown), 3u);
  CHECK(host.timer(kStart + 8000 * kMs).empty());
  CHECK(host.lab.dataplane.context().next_hops.due() == kNever);
  CHECK(host.send(host.frame(4), kStart + 8100 * kMs, 1) == host.request());
  CHECK_EQ(host.hear(answer(v6, address(v6, 2), 0x22), kStart + 8100 * kMs).size(), 1u);
}

BOTH_TEST("next_hop: after 30 s one in use is asked again by unicast while packets go on", refreshes) {
  Host host(v6);
  host.resolve_first();
  CHECK(host.timer(kStart + 29'900 * kMs).empty());
  CHECK(goes_to(host.send(host.frame(1), kStart + 29'900 * kMs).at(0), 0x22));
  CHECK(host.timer(kStart + 30'000 * kMs).empty());  // only when it is used
  const auto out = host.send(host.frame(2), kStart + 31'000 * kMs);
  CHECK_EQ(out.size(), 2u);
  CHECK(std::count(out.begin(), out.end(), host.probe()[0]) == 1);
  CHECK_EQ(host.send(host.frame(3), kStart + 31'000 * kMs).size(), 1u);
  host.hear(answer(v6, address(v6, 2), 0x22), kStart + 31'001 * kMs);
  CHECK(host.timer(kStart + 60'000 * kMs).empty());
  CHECK_EQ(host.send(host.frame(3), kStart + 60'000 * kMs).size(), 1u);

  CHECK(host.timer(kStart + 61'001 * kMs).empty());
  host.hear(answer(v6, address(v6, 2), 0x22), kStart + 61'002 * kMs);  // to another worker
  CHECK(host.lab.dataplane.context().tunnels[0].resolved);
  CHECK_EQ(host.send(host.frame(4), kStart + 61'002 * kMs).size(), 1u);
  host.lab.dataplane.context().next_hops[0].due = 0;
  host.lab.dataplane.context().next_hops.find_due();
  CHECK(host.timer(kStart + 61'003 * kMs).empty());
  CHECK_EQ(host.send(host.frame(4), kStart + 62'000 * kMs).size(), 2u);
  CHECK(host.timer(kStart + 63'000 * kMs) == host.probe());
  CHECK(host.timer(kStart + 64'000 * kMs) == host.probe());
  CHECK(goes_to(host.send(host.frame(5), kStart + 64'900 * kMs).at(0), 0x22));
  CHECK(host.timer(kStart + 65'000 * kMs).empty());
  CHECK_EQ(host.lab.total(Counter::next_hop_failed), 1u);
  CHECK(host.send(host.frame(6), kStart + 65'000 * kMs, 1) == host.request());
  host.lab.dataplane.remove_vtep(host.domain, ip(address(v6, 2)));
  host.lab.settled();
}

BOTH_TEST("next_hop: a new MAC counts at once, and one that nobody asked for is confirmed", changes_mac) {
  Host host(v6);
  host.resolve_first();
  host.hear(answer(v6, address(v6, 2), 0x23), kStart + kSecond);
  CHECK(goes_to(host.send(host.frame(1), kStart + kSecond).at(0), 0x23));
  CHECK(host.hear(announcement(v6, address(v6, 2), 0x22), kStart + 2 * kSecond).empty());
  CHECK_EQ(host.lab.total(Counter::drop_underlay_other), 0u);
  const auto out = host.send(host.frame(2), kStart + 2 * kSecond);
  CHECK_EQ(out.size(), 2u);
  CHECK(std::count(out.begin(), out.end(), host.probe()[0]) == 1);
  for (const Bytes& frame : out) CHECK(Bytes(frame.begin(), frame.begin() + 6) == mac(0x22));
  CHECK_EQ(host.lab.total(Counter::next_hop_resolved), 3u);
  host.hear(announcement(v6, address(v6, 2), 0x22), kStart + 3 * kSecond);  // no news
  CHECK_EQ(host.lab.total(Counter::drop_underlay_other), 1u);
  if (!v6) return;
  host.hear(answer(v6, address(v6, 2), 0x22), kStart + 3 * kSecond);
  host.hear(answer(v6, address(v6, 2), 0x23, 0x40), kStart + 3 * kSecond);  // without the override flag
  CHECK_EQ(host.send(host.frame(3), kStart + 3 * kSecond).size(), 2u);
  CHECK(goes_to(host.send(host.frame(3), kStart + 3 * kSecond).at(0), 0x22));
}

BOTH_TEST("next_hop: static ones are never asked for, and nothing changes them", keeps_static) {
  Host host(v6);
  host.send(host.frame(1), kStart, 1);
  host.lab.dataplane.set_next_hop(host.underlay, ip(address(v6, 2)), mac_of(0x77));
  host.lab.settled();
  CHECK(goes_to(host.lab.drain(host.wire).at(0), 0x77));
  host.hear(answer(v6, address(v6, 2), 0x22), kStart);
  host.hear(announcement(v6, address(v6, 2), 0x22), kStart);
  host.lab.dataplane.set_learned_next_hop(host.underlay, ip(address(v6, 2)), mac_of(0x22));
  CHECK(host.timer(kStart + 3600 * kSecond).empty());
  CHECK(goes_to(host.send(host.frame(2), kStart + 3600 * kSecond).at(0), 0x77));
  CHECK_EQ(host.lab.total(Counter::drop_underlay_other), 2u);
}

BOTH_TEST("next_hop: at most 16 wait for one, 256 in all and a quarter of a pool; the oldest goes first", limits) {
  std::vector<Bytes> vteps;
  for (uint8_t i = 0; i < 20; ++i) vteps.push_back(address(v6, static_cast<uint8_t>(i + 2)));
  Host host(v6, vteps);
  for (uint8_t i = 0; i < 20; ++i) host.send(host.frame(i), kStart, std::min(i + 1u, 16u));
  CHECK_EQ(host.lab.total(Counter::drop_next_hop_unknown), 4u);
  for (int hop = 1; hop < 20; ++hop) {
    for (uint8_t i = 0; i < 16; ++i) host.send(host.frame(i, hop), kStart, std::min(256u, 16u * hop + i + 1));
  }
  CHECK_EQ(host.lab.total(Counter::drop_next_hop_unknown), 4u + 64u);
  CHECK(host.hear(answer(v6, address(v6, 2), 0x22), kStart, 256).empty());  // those were the oldest
  const auto out = host.hear(answer(v6, address(v6, 12), 0x32), kStart, 240);
  CHECK_EQ(out.size(), 16u);
  for (uint8_t i = 0; i < out.size(); ++i) CHECK_EQ(out[i].back(), i);
  host.lab.dataplane.remove_vtep(host.domain, ip(address(v6, 13)));
  host.lab.settled(224);
  host.lab.dataplane.remove_bridge(host.bridge);
  host.lab.settled();

  DataplaneOptions few;
  few.small_packets = 32;
  few.large_packets = 8;
  Host small(v6, {}, false, few);
  for (uint8_t i = 0; i < 20; ++i) small.send(small.frame(i), kStart, std::min(i + 1u, 8u));
  Host large(v6, {}, false, few);
  for (uint8_t i = 0; i < 4; ++i) large.send(large.frame(i, 0, 4000), kStart, std::min(i + 1u, 2u));
  CHECK_EQ(large.lab.total(Counter::drop_next_hop_unknown), 2u);
}

BOTH_TEST("next_hop: what another worker heard counts here, and is not told again", hears_others) {
  Host host(v6);
  host.send(host.frame(1), kStart, 1);
  host.lab.dataplane.context().news.clear();
  host.lab.dataplane.set_learned_next_hop(host.underlay, ip(address(v6, 9)), mac_of(0x29));
  host.lab.dataplane.set_learned_next_hop(host.underlay, ip(address(v6, 2)), mac_of(0x22));
  host.lab.settled();
  CHECK(goes_to(host.lab.drain(host.wire).at(0), 0x22));
  CHECK(host.lab.dataplane.context().news.list().empty());
  CHECK(host.timer(kStart + 29'999 * kMs).empty());
  CHECK_EQ(host.send(host.frame(2), kStart + 29'999 * kMs).size(), 1u);
  Host other(v6);  // which did not ask, and gets the answer
  other.lab.dataplane.context().news.clear();
  other.hear(answer(v6, address(v6, 2), 0x22), kStart);
  CHECK_EQ(other.lab.dataplane.context().news.list().size(), 1u);
  other.hear(answer(v6, address(v6, 2), 0x22), kStart + 10 * kMs);
  CHECK_EQ(other.lab.dataplane.context().news.list().size(), 1u);
  CHECK_EQ(other.send(other.frame(1), kStart).size(), 1u);
}

BOTH_TEST("next_hop: without resolution nothing is asked, answered or kept", off) {
  Host host(v6, {}, false, {}, {{kNoVlan, 4097}}, false);
  CHECK(host.send(host.frame(1), kStart).empty());
  CHECK_EQ(host.lab.total(Counter::drop_next_hop_unknown), 1u);
  CHECK(host.hear(question(v6, address(v6, 2), 0x22, 1), kStart).empty());
  CHECK(host.hear(answer(v6, address(v6, 2), 0x22), kStart).empty());
  CHECK_EQ(host.lab.total(Counter::drop_underlay_other), 2u);
  CHECK(host.send(host.frame(2), kStart).empty());
  CHECK(host.timer(kStart + 3600 * kSecond).empty());
  CHECK_EQ(host.lab.total(Counter::originated), 0u);
}
