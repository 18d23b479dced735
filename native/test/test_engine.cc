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
  const LiveLab::Load load = lab.load();
  for (uint32_t worker = 0; worker < 2; ++worker) lab.inject(worker, load.source, udp_frame(mac(2), mac(1), 1, 2), 64);
  CHECK(static_cast<bool>(lab.engine.start()));
  for (uint32_t i = 0; i < 1000; ++i) {
    const uint16_t extra = lab.port();
    lab.engine.change([&](Dataplane& dataplane, uint32_t) {
      dataplane.attach(load.bridge, extra, {false, true, 16});
      CHECK(dataplane.add_fdb(dataplane.domain_of(load.bridge, kNoVlan), 0x020000000000 | extra, extra));
    });
    lab.engine.change([&](Dataplane& dataplane, uint32_t) { dataplane.detach(extra); });
    lab.engine.remove_port(extra);
  }
  CHECK(lab.total(Counter::rx_packets) > 1000);
  lab.engine.stop();
  lab.check_balance();
}

// Ends slowly, as a TAP does, and counts when it has.
class SlowPort final : public Port {
 public:
  explicit SlowPort(std::atomic<uint32_t>& ended) : ended_(ended) {}
  ~SlowPort() override {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    ++ended_;
  }
  Nanos next_due() override { return kNever; }
  uint32_t receive(Packet**, uint32_t, Nanos, Nanos, Pools&, CounterRow&) override { return 0; }
  uint32_t transmit(Packet**, uint32_t, CounterRow&) override { return 0; }
  bool ends_slowly() const override { return true; }

 private:
  std::atomic<uint32_t>& ended_;
};

uint16_t add_slow(Engine& engine, std::atomic<uint32_t>& ended) {
  std::vector<std::unique_ptr<Port>> ports;
  for (uint32_t i = 0; i < engine.worker_count(); ++i) ports.push_back(std::make_unique<SlowPort>(ended));
  return engine.add_port(std::move(ports), 1500);
}

TEST("engine: a port that ends slowly holds up nobody, and the end of the engine waits for it") {
  std::atomic<uint32_t> ended{0};
  {
    LiveLab lab(2);
    CHECK(static_cast<bool>(lab.engine.start()));
    const uint16_t a = add_slow(lab.engine, ended), b = add_slow(lab.engine, ended);
    const auto begun = std::chrono::steady_clock::now();
    lab.engine.remove_port(a);
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::milliseconds(100));
    CHECK(ended.load() < 2);
    lab.engine.wait_for_removed();
    CHECK_EQ(ended.load(), 2u);
    lab.engine.remove_port(b);
  }
  CHECK_EQ(ended.load(), 4u);
}

TEST("engine: the index of a removed port is used again, and the totals keep what it counted") {
  LiveLab lab(2);
  const uint16_t a = lab.port(), b = lab.port();
  const uint16_t bridge = lab.bridge({a, b});
  CHECK(static_cast<bool>(lab.engine.start()));
  for (uint32_t round = 0; round < 100; ++round) {
    const uint16_t extra = lab.port();
    CHECK_EQ(extra, 2u);
    lab.engine.change([&](Dataplane& dataplane, uint32_t) { dataplane.attach(bridge, extra, {false, true, 16}); });
    lab.inject(round % 2, extra, udp_frame(mac(1), mac(9), 1, 2));
    CHECK(eventually([&] { return lab.total(Counter::rx_packets) == round + 1; }));
    lab.engine.change([&](Dataplane& dataplane, uint32_t) {
      CHECK(dataplane.context().counters.port(extra).get(Counter::rx_packets) <= 1);
      dataplane.detach(extra);
    });
    lab.engine.remove_port(extra);
  }
  lab.check_balance();
  lab.engine.change([&](Dataplane& dataplane, uint32_t) {
    CHECK_EQ(dataplane.context().counters.retired().get(Counter::rx_packets), 50u);
    CHECK_EQ(dataplane.context().counters.port(2).get(Counter::rx_packets), 0u);
    // Nobody thinks that 9 is where the next port 2 will be.
    CHECK_EQ(dataplane.context().fdb->look_up(fdb_key(1, load_mac(mac(9).data())), dataplane.context().tick), kNowhere);
  });
  lab.engine.stop();
}

TEST("engine: an index is not used again while events name it") {
  LiveLab lab(1);
  BridgeOptions asks = test::Lab::plain();
  asks.policy.proxy_arp = true;
  const uint16_t a = lab.port();
  const uint16_t bridge = lab.bridge({a}, asks);
  CHECK(static_cast<bool>(lab.engine.start()));
  lab.inject(0, a, test::arp_request(1, 77));
  CHECK(eventually([&] { return lab.notified.load() > 0; }));
  lab.engine.change([&](Dataplane& dataplane, uint32_t) { dataplane.detach(a); });
  lab.engine.remove_port(a);
  CHECK_EQ(lab.port(), 1u);
  uint32_t misses = 0;
  lab.engine.take_events([&](const Event& event) { misses += event.kind == EventKind::miss && event.port == a; });
  CHECK_EQ(misses, 1u);
  CHECK_EQ(lab.port(), a);
  lab.engine.change([&](Dataplane& dataplane, uint32_t) { dataplane.remove_bridge(bridge); });
  lab.engine.stop();
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
    lab.inject(0, lab.load().source, udp_frame(mac(2), mac(1), 1, 2), 8);
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
