// An engine with memory ports, one object a worker, for the tests of what happens while workers run.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "engine/engine.h"
#include "port/memory.h"
#include "test/check.h"
#include "test/frames.h"
#include "test/lab.h"

namespace overlane::test {

inline constexpr auto kPatience = std::chrono::seconds(20);  // sanitizers are slow, machines are busy

// True as soon as `condition` is, which is asked again and again.
template <typename Condition>
bool eventually(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

// An engine whose ports are in memory, one object a worker.
class LiveLab {
 public:
  explicit LiveLab(uint32_t workers, DataplaneOptions options = {})
      : engine(options, std::vector<WorkerOptions>(workers), [this] { notified.fetch_add(1); }) {}

  uint16_t port(MemoryPort::Options options = {}) {
    std::vector<std::unique_ptr<Port>> ports;
    std::vector<MemoryPort*> memories;
    for (uint32_t i = 0; i < engine.worker_count(); ++i) {
      auto memory = std::make_unique<MemoryPort>(options);
      memories.push_back(memory.get());
      ports.push_back(std::move(memory));
    }
    const uint16_t index = engine.add_port(std::move(ports), 65535);
    if (memories_.size() <= index) memories_.resize(index + 1u);
    memories_[index] = std::move(memories);
    return index;
  }
  uint16_t bridge(const std::vector<uint16_t>& ports, BridgeOptions options = Lab::plain()) {
    if (options.domains.empty()) options.domains = {{kNoVlan, -1}};
    uint16_t bridge = 0;
    engine.change([&](Dataplane& dataplane, uint32_t) {
      bridge = dataplane.add_bridge(options);
      for (uint16_t port : ports) dataplane.attach(bridge, port, {false, true, options.port_fdb_limit});
    });
    return bridge;
  }
  // A port that gives out for ever what is injected, and one that takes all, on a bridge.
  struct Load {
    uint16_t source, sink, bridge;
  };
  Load load() {
    MemoryPort::Options loop;
    loop.loop = true;
    const uint16_t source = port(loop), sink = port(discarding());
    return {source, sink, bridge({source, sink})};
  }
  static MemoryPort::Options discarding() {
    MemoryPort::Options options;
    options.discard = true;
    return options;
  }
  void inject(uint32_t worker, uint16_t port, const Bytes& frame, uint32_t times = 1) {
    engine.ask(worker, [&](Dataplane&) {
      for (uint32_t i = 0; i < times; ++i) {
        memories_[port][worker]->inject(frame.data(), static_cast<uint32_t>(frame.size()));
      }
    });
  }
  size_t drained(uint32_t worker, uint16_t port) {
    size_t count = 0;
    engine.ask(worker, [&](Dataplane&) {
      count = memories_[port][worker]->drained().frames.size();
      memories_[port][worker]->drained().clear();
    });
    return count;
  }
  uint64_t total(Counter counter) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < engine.worker_count(); ++i) {
      engine.ask(i, [&](Dataplane& dataplane) { sum += dataplane.context().counters.total(counter); });
    }
    return sum;
  }
  void check_balance() {
    engine.change([](Dataplane& dataplane, uint32_t) {
      const Context& context = dataplane.context();
      CHECK_EQ(context.counters.imbalance(), 0);
      CHECK_EQ(context.pools.small().available(), context.pools.small().size());
      CHECK_EQ(context.pools.large().available(), context.pools.large().size());
    });
  }

  std::atomic<uint32_t> notified{0};
  Engine engine;

 private:
  std::vector<std::vector<MemoryPort*>> memories_;  // by port and worker
};

}  // namespace overlane::test
