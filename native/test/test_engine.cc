// Workers, changes while they run, what they tell each other, events, the end. Run under ThreadSanitizer as well.
#include <time.h>

#include "test/live_lab.h"

using namespace overlane;
using namespace overlane::test;

namespace {

Nanos process_cpu_time() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return Nanos{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

TEST("engine: a sleeping worker wakes for what comes, and does nothing meanwhile") {
  LiveLab lab(1);
  const uint16_t a = lab.port(), b = lab.port();
  lab.bridge({a, b});
  CHECK(static_cast<bool>(lab.engine.start()));
  for (int i = 0; i < 3; ++i) {
    const Nanos before = process_cpu_time();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    CHECK(process_cpu_time() - before < 20'000'000);  // 10 % of it, for sanitizers; a worker that polls takes all
    lab.inject(0, a, udp_frame(mac(2), mac(1), 1, 2));
    size_t out = 0;
    CHECK(eventually([&] { return (out += lab.drained(0, b)) == 1; }));
  }
  lab.check_balance();
  lab.engine.stop();
}

TEST("engine: a thousand changes under load, and every packet is accounted for") {
  LiveLab lab(2);
  MemoryPort::Options source, sink;
  source.loop = true;
  sink.discard = true;
  const uint16_t a = lab.port(source), b = lab.port(sink);
  const uint16_t bridge = lab.bridge({a, b});
  for (uint32_t worker = 0; worker < 2; ++worker) lab.inject(worker, a, udp_frame(mac(2), mac(1), 1, 2), 64);
  CHECK(static_cast<bool>(lab.engine.start()));
  for (uint32_t i = 0; i < 1000; ++i) {
    const uint16_t extra = lab.port();
    lab.engine.change([&](Dataplane& dataplane, uint32_t) {
      dataplane.attach(bridge, extra, {false, true, 16});
      CHECK(dataplane.add_fdb(dataplane.domain_of(bridge, kNoVlan), 0x020000000000 | extra, extra));
    });
    lab.engine.change([&](Dataplane& dataplane, uint32_t) { dataplane.detach(extra); });
    lab.engine.remove_port(extra);
  }
  CHECK(lab.total(Counter::rx_packets) > 1000);
  lab.engine.stop();
  lab.check_balance();
}

TEST("engine: what one worker learns the others know") {
  LiveLab lab(3);
  const uint16_t a = lab.port(), b = lab.port(), c = lab.port();
  lab.bridge({a, b, c});
  CHECK(static_cast<bool>(lab.engine.start()));
  lab.inject(0, a, udp_frame(mac(9), mac(1), 1, 9));  // worker 0 learns that 1 is at a
  CHECK(eventually([&] {
    uint32_t know = 0;
    for (uint32_t i = 0; i < 3; ++i) {
      lab.engine.ask(i, [&](Dataplane& dataplane) {
        Context& context = dataplane.context();
        know += context.fdb->look_up(fdb_key(1, load_mac(mac(1).data())), context.tick) == a;
      });
    }
    return know == 3;
  }));
  for (uint32_t i = 0; i < 3; ++i) lab.drained(i, c);
  lab.inject(2, b, udp_frame(mac(1), mac(2), 2, 1));  // so worker 2 need not flood it
  size_t at_a = 0;
  CHECK(eventually([&] { return (at_a += lab.drained(2, a)) == 1; }));
  CHECK_EQ(lab.drained(2, c), 0u);
  lab.engine.stop();
  lab.check_balance();
}

TEST("engine: events come once told, and a listener that sleeps loses events, not packets") {
  LiveLab lab(2);
  const uint16_t a = lab.port();
  BridgeOptions options = Lab::plain();
  options.policy.proxy_arp = true;
  lab.bridge({a, lab.port()}, options);
  CHECK(static_cast<bool>(lab.engine.start()));
  constexpr uint32_t kAsked = 6000;  // more than a ring holds
  for (uint32_t worker = 0; worker < 2; ++worker) {
    for (uint32_t i = 0; i < kAsked; ++i) {
      Bytes request = arp_request(1, 0);
      request[39] = 1;
      request[40] = static_cast<uint8_t>(i >> 8);
      request[41] = static_cast<uint8_t>(i);
      lab.inject(worker, a, request);
    }
  }
  CHECK(eventually([&] { return lab.total(Counter::rx_packets) == 2 * kAsked; }));
  uint32_t taken = 0;
  lab.engine.take_events([&](const Event& event) { taken += event.kind == EventKind::miss; });
  CHECK(lab.notified.load() >= 1);
  CHECK(taken >= 4096);
  CHECK_EQ(taken + lab.total(Counter::event_lost), lab.total(Counter::miss));
  lab.engine.stop();
  lab.check_balance();
}

TEST("engine: stops and starts while others want something of it") {
  for (int round = 0; round < 20; ++round) {
    LiveLab lab(2);
    MemoryPort::Options source, sink;
    source.loop = true;
    sink.discard = true;
    const uint16_t a = lab.port(source), b = lab.port(sink);
    lab.bridge({a, b});
    lab.inject(0, a, udp_frame(mac(2), mac(1), 1, 2), 8);
    CHECK(static_cast<bool>(lab.engine.start()));
    if (round % 2 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    lab.engine.stop();
    lab.check_balance();
    CHECK(static_cast<bool>(lab.engine.start()));
  }  // and ends running
}

TEST("engine: a worker cannot be pinned where it may not run") {
  Engine engine({}, {WorkerOptions{1023, 0}}, [] {});
  const NetResult started = engine.start();
  CHECK(!started);
  CHECK_EQ(std::string(started.code), "ERR_OVERLANE_OPTION");
}
