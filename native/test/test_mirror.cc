// Copies of what a port receives and transmits: the ring that they wait in, what is in them, and that packets do not
// notice. Run under ThreadSanitizer as well.
#include <deque>
#include <random>

#include "engine/capture.h"
#include "test/live_lab.h"
#include "test/offload_frames.h"

using namespace overlane;
using namespace overlane::test;

namespace {

constexpr uint32_t kAll = 262144;

struct Seen {
  Nanos time;
  Bytes data;
  uint32_t wire_length;
  uint32_t lost;
  Direction direction;
};

std::vector<Seen> seen(PortCapture& capture, size_t count = SIZE_MAX, size_t bytes = SIZE_MAX) {
  std::vector<Seen> out;
  capture.look();
  for (const auto* copy : capture.take(count, bytes)) {
    out.push_back(
        {copy->time, Bytes(copy->data(), copy->data() + copy->length), copy->wire_length, copy->lost, copy->direction});
  }
  capture.release();
  return out;
}

// Two ports on a bridge, the first of which is captured.
struct Mirrored {
  explicit Mirrored(uint32_t snaplen = kAll, size_t bytes = 1 << 20) : capture(0, 1, snaplen, bytes) {
    lab.bridge({lab.port(), lab.port()});
    lab.dataplane.add_mirror(0, capture.ring(0));
  }
  Lab lab;
  PortCapture capture;
};

}  // namespace

TEST("capture ring: whatever is added comes out whole and in order, or is counted where it is missing") {
  for (const size_t bytes : {size_t{1024}, size_t{4096}}) {
    CaptureRing ring(bytes, 300);
    std::mt19937 random(static_cast<unsigned>(bytes));
    std::deque<std::pair<uint32_t, uint32_t>> expected;  // number and length
    uint32_t read = 0, lost = 0, told = 0;
    for (uint32_t number = 0; number < 20'000; ++number) {
      const uint32_t length = random() % 400, kept = std::min(length, 300u);
      uint8_t* to = ring.add(number, length, length, Direction::received);
      if (to == nullptr) {
        ++lost;
        CHECK(!expected.empty());  // not without a reason
      } else {
        std::fill_n(to, kept, static_cast<uint8_t>(number));
        expected.emplace_back(number, kept);
      }
      ring.publish();
      if (random() % 4 != 0) continue;
      ring.look();
      for (uint32_t most = random() % 6; most > 0; --most) {
        const CaptureRing::Record* record = ring.next();
        if (record == nullptr) break;
        CHECK_EQ(record->time, Nanos{expected.front().first});
        CHECK_EQ(record->length, expected.front().second);
        CHECK_EQ(record->time, Nanos{read} + told + record->lost);
        CHECK(std::all_of(record->data(), record->data() + record->length,
                          [&](uint8_t byte) { return byte == static_cast<uint8_t>(record->time); }));
        told += record->lost;
        ++read;
        expected.pop_front();
        ring.advance();
      }
      ring.release();
    }
    CHECK(lost > 0 && read > 1000);
    CHECK_EQ(ring.lost(), lost);
  }
}

TEST("capture ring: what is longer than the ring is lost, not written beyond it") {
  CaptureRing ring(1024, kAll);
  CHECK(ring.add(0, 1001, 1001, Direction::received) == nullptr);
  CHECK(ring.add(0, 1000, 1000, Direction::received) != nullptr);
  CHECK(ring.add(0, 0, 0, Direction::received) == nullptr);
  ring.publish();
  ring.look();
  CHECK_EQ(ring.next()->lost, 1u);
  CHECK_EQ(ring.lost(), 2u);
}

TEST("mirror: what a port receives and transmits, with direction, time and length, and nothing of other ports") {
  Mirrored m(60);
  const Bytes in = udp_frame(mac(2), mac(1), 1, 2, 100), out = udp_frame(mac(1), mac(2), 2, 1, 50);
  m.lab.pass(0, in, 1000);
  m.lab.pass(1, out, 2000);
  m.lab.pass(1, udp_frame(mac(2), mac(2), 2, 2), 3000);  // to the port it came from
  const auto copies = seen(m.capture);
  CHECK_EQ(copies.size(), 2u);
  CHECK(copies[0].data == Bytes(in.begin(), in.begin() + 60));
  CHECK_EQ(copies[0].wire_length, 100u);
  CHECK_EQ(copies[0].time, 1000);
  CHECK(copies[0].direction == Direction::received);
  CHECK(copies[1].data == out);
  CHECK_EQ(copies[1].time, 2000);
  CHECK(copies[1].direction == Direction::transmitted);
  CHECK(m.lab.drain(1).front() == in);
  CHECK(m.lab.drain(0).front() == out);
}

TEST("mirror: copies that find no room are counted at the port, and every packet arrives all the same") {
  Mirrored m(kAll, 1024);
  for (int i = 0; i < 100; ++i) m.lab.inject(0, udp_frame(mac(2), mac(1), 1, 2, 200));
  m.lab.run();
  CHECK_EQ(m.lab.drain(1).size(), 100u);
  CHECK_EQ(seen(m.capture).size(), 4u);  // 1024 / (24 + 200)
  CHECK_EQ(m.capture.lost(), 96u);
  CHECK_EQ(m.lab.dataplane.context().counters.port(0).get(Counter::capture_lost), 96u);
  m.lab.pass(0, udp_frame(mac(2), mac(1), 1, 2));
  const auto next = seen(m.capture);
  CHECK_EQ(next.at(0).lost, 96u);
}

TEST("mirror: four captures of a port see the same, and the end of one or of the port ends the copies") {
  Mirrored m;
  std::vector<std::unique_ptr<PortCapture>> more;
  for (int i = 0; i < 3; ++i) {
    more.push_back(std::make_unique<PortCapture>(0, 1, kAll, 4096));
    m.lab.dataplane.add_mirror(0, more.back()->ring(0));
  }
  m.lab.pass(0, arp_request(1, 2));
  for (auto& capture : more) CHECK(seen(*capture).at(0).data == arp_request(1, 2));
  m.lab.dataplane.remove_mirror(0, more[1]->ring(0));
  m.lab.pass(0, arp_request(1, 2));
  CHECK_EQ(seen(*more[1]).size(), 0u);
  CHECK_EQ(seen(*more[2]).size(), 1u);
  CHECK_EQ(seen(m.capture).size(), 2u);
  m.lab.dataplane.remove_port(0);
  CHECK(!m.lab.dataplane.context().mirrors.any());
  more.clear();
  CHECK_EQ(m.lab.port(), 2u);
  m.lab.pass(1, arp_request(2, 1));
}

TEST("mirror: a trunk's copies have the tags that its wire has") {
  Lab lab;
  const uint16_t container = lab.port(), wire = lab.port();
  AttachOptions lane{false, true, 16};
  lane.vlan = 100;
  lab.dataplane.attach(lab.bridge({container}), wire, lane);
  PortCapture capture(wire, 1, kAll, 4096);
  lab.dataplane.add_mirror(wire, capture.ring(0));
  const Bytes out = udp_frame(mac(9), mac(1), 1, 9), in = udp_frame(mac(1), mac(9), 9, 1);
  lab.pass(container, out);
  lab.pass(wire, with_tag(in, 100));
  const auto copies = seen(capture);
  CHECK(copies.at(0).data == with_tag(out, 100));
  CHECK(copies.at(1).data == with_tag(in, 100));
}

TEST("mirror: checksums that were left open are finished in the copy only") {
  for (const bool ipv6 : {false, true}) {
    for (const bool tcp : {false, true}) {
      for (const size_t size : {size_t{33}, size_t{9000}}) {  // one packet, and a super-frame
        Mirrored m;
        Flow flow;
        flow.ipv6 = ipv6;
        flow.tcp = tcp;
        flow.tags = ipv6 ? 1 : 0;
        const Bytes open = with_partial_checksum(flow, frame_of(flow, payload_bytes(size)));
        const auto segment = static_cast<uint16_t>(size > 1000 ? 1000 : 0);
        Context& context = m.lab.dataplane.context();
        Burst burst;
        burst.count = 1;
        burst.packets[0] = packet_of(context.pools, open, segment, kPartialChecksum);
        mirror(burst, 0, Direction::received, context);
        CHECK(seen(m.capture).at(0).data == with_right_checksum(flow, open));
        CHECK(Bytes(burst.packets[0]->data, burst.packets[0]->data + open.size()) == open);
        CHECK_EQ(burst.packets[0]->flags, kPartialChecksum);
        release(burst.packets[0]);
      }
    }
  }
}

TEST("mirror: a checksum field that snaplen cuts, or leaves out, is no reason to write beyond the copy") {
  const Flow flow;
  const Bytes open = with_partial_checksum(flow, frame_of(flow, payload_bytes(33)));
  const Bytes right = with_right_checksum(flow, open);
  const auto at = static_cast<uint32_t>(checksum_at(flow));
  for (uint32_t snaplen = 1; snaplen < at + 8; ++snaplen) {
    Mirrored m(snaplen);
    Context& context = m.lab.dataplane.context();
    Burst burst;
    burst.count = 2;
    for (uint32_t i = 0; i < 2; ++i) burst.packets[i] = packet_of(context.pools, open, 0, kPartialChecksum);
    mirror(burst, 0, Direction::transmitted, context);
    for (const Seen& copy : seen(m.capture)) CHECK(copy.data == Bytes(right.begin(), right.begin() + snaplen));
    for (uint32_t i = 0; i < 2; ++i) release(burst.packets[i]);
  }
}

TEST("capture: bursts are bounded, and nothing that comes meanwhile is in them") {
  Mirrored m;
  for (int i = 0; i < 10; ++i) m.lab.inject(0, udp_frame(mac(2), mac(1), 1, 2, 100));
  m.lab.run();
  m.capture.look();
  CHECK_EQ(m.capture.take(3, SIZE_MAX).size(), 3u);
  CHECK_EQ(m.capture.take(SIZE_MAX, 250).size(), 2u);
  m.capture.release();
  m.lab.pass(0, arp_request(1, 2));
  CHECK_EQ(m.capture.take(SIZE_MAX, 1).size(), 1u);  // one at least
  CHECK_EQ(m.capture.take(SIZE_MAX, SIZE_MAX).size(), 4u);
  m.capture.release();
  CHECK_EQ(seen(m.capture).size(), 1u);
}

TEST("capture: the copies of several workers come in the order of their times") {
  PortCapture capture(0, 3, kAll, 1 << 16);
  for (int time = 0; time < 300; ++time) {
    CaptureRing* ring = capture.ring(static_cast<uint32_t>(time * 7 % 3));
    *ring->add(time, 1, 1, Direction::received) = 0;
    ring->publish();
  }
  const auto copies = seen(capture);
  CHECK_EQ(copies.size(), 300u);
  for (int time = 0; time < 300; ++time) CHECK_EQ(copies[static_cast<size_t>(time)].time, time);
}

TEST("capture: live, it is told of, and every packet is copied or counted as lost") {
  LiveLab lab(2);
  const uint16_t a = lab.port(), b = lab.port();
  lab.bridge({a, b});
  CHECK(static_cast<bool>(lab.engine.start()));
  const uint32_t number = lab.engine.add_capture(a, 100, 8192);
  PortCapture& capture = *lab.engine.capture(number);
  uint64_t copied = 0, told = 0;
  const auto take = [&] {
    lab.engine.take_events([](const Event&) {});
    for (const Seen& copy : seen(capture)) ++copied, told += copy.lost;
    return copied + capture.lost();
  };
  constexpr uint32_t kEach = 500;
  for (int i = 0; i < 20; ++i) {
    const uint32_t before = lab.notified.load();
    for (uint32_t worker = 0; worker < 2; ++worker) {
      lab.inject(worker, a, udp_frame(mac(2), mac(1), 1, 2, 200), kEach);
    }
    CHECK(eventually([&] { return lab.notified.load() > before; }));
    const auto all = 2u * kEach * static_cast<uint32_t>(i + 1);
    CHECK(eventually([&] { return take() == all; }));
  }
  CHECK(copied > 0);
  CHECK(told <= capture.lost());
  CHECK_EQ(lab.total(Counter::capture_lost), capture.lost());
  CHECK_EQ(lab.drained(0, b) + lab.drained(1, b), size_t{2 * 20 * kEach});
  lab.engine.remove_capture(number);
  CHECK(lab.engine.capture(number) == nullptr);
  lab.check_balance();
  lab.engine.stop();
}

TEST("capture: captures and their ports come and go under load") {
  LiveLab lab(2);
  const LiveLab::Load load = lab.load();
  for (uint32_t worker = 0; worker < 2; ++worker)
    lab.inject(worker, load.source, udp_frame(broadcast(), mac(1), 1, 2), 64);
  CHECK(static_cast<bool>(lab.engine.start()));
  const uint32_t standing = lab.engine.add_capture(load.sink, kAll, 1 << 16);
  size_t copied = 0, of_extra = 0;
  for (uint32_t i = 0; i < 100; ++i) {
    const uint16_t extra = lab.port(LiveLab::discarding());
    lab.engine.change([&](Dataplane& dataplane, uint32_t) { dataplane.attach(load.bridge, extra, {false, true, 16}); });
    const uint32_t first = lab.engine.add_capture(extra, 64, 1 << 14),
                   second = lab.engine.add_capture(extra, 64, 1 << 14);
    CHECK(first != second);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (of_extra <= i && std::chrono::steady_clock::now() < until) {
      of_extra += seen(*lab.engine.capture(first)).size() > 0 ? 1 : 0;
    }
    copied += seen(*lab.engine.capture(standing)).size();
    if (i % 2) lab.engine.remove_capture(first);
    lab.engine.remove_port(extra);
    seen(*lab.engine.capture(second));  // what was left
    lab.engine.remove_capture(second);
    if (i % 2 == 0) lab.engine.remove_capture(first);
  }
  CHECK(copied > 0);
  CHECK_EQ(of_extra, 100u);
  lab.engine.stop();
  lab.check_balance();
}
