// A dataplane with memory ports, for the tests of stages: inject, run, drain; checks the accounting after every run.
#pragma once

#include <memory>
#include <vector>

#include "engine/dataplane.h"
#include "port/memory.h"
#include "stage/next_hop.h"
#include "test/check.h"
#include "test/frames.h"

namespace overlane::test {

class Lab {
 public:
  explicit Lab(DataplaneOptions options = {}) : dataplane(options) {}

  uint16_t port(uint32_t mtu = 65535) {
    auto memory = std::make_unique<MemoryPort>(MemoryPort::Options{});
    MemoryPort* added = memory.get();
    const uint16_t index = dataplane.add_port(std::move(memory), mtu);
    memories_.resize(dataplane.port_count());  // other rows may lie between
    memories_[index] = added;
    return index;
  }
  uint16_t bridge(std::vector<uint16_t> ports, BridgeOptions options = plain()) {
    if (options.domains.empty()) options.domains = {{kNoVlan, -1}};
    uint16_t index = dataplane.add_bridge(options);
    for (uint16_t port : ports) dataplane.attach(index, port, {false, true, options.port_fdb_limit});
    return index;
  }
  static BridgeOptions plain() {
    BridgeOptions options;
    options.ageing = tick_of(300'000'000'000);
    options.fdb_limit = 1024;
    options.port_fdb_limit = 1024;
    return options;
  }
  // An underlay on a port of its own, and a bridge on it with VNI `vni`.
  uint16_t underlay(uint16_t carrier, const Bytes& local, uint8_t mac_last, uint32_t mtu = 65535) {
    UnderlayOptions options;
    options.port = carrier;
    options.udp_port = 4789;
    options.mtu = mtu;
    options.local = local.size() == 4 ? IpAddress::v4(local.data()) : IpAddress::v6(local.data());
    options.mac = load_mac(mac(mac_last).data());
    options.send_checksum = local.size() == 16;
    return dataplane.add_underlay(options);
  }

  void inject(uint16_t port, const Bytes& frame) {
    memories_[port]->inject(frame.data(), static_cast<uint32_t>(frame.size()));
  }
  std::vector<Bytes> drain(uint16_t port) {
    std::vector<Bytes> out;
    auto& queue = memories_[port]->drained();
    for (const auto& frame : queue.frames) {
      out.emplace_back(queue.bytes.begin() + static_cast<long>(frame.offset),
                       queue.bytes.begin() + static_cast<long>(frame.offset + frame.length));
    }
    queue.clear();
    return out;
  }
  // waiting: packets that have to be left in the dataplane, for the MAC of a next hop.
  void run(Nanos now = 0, uint32_t waiting = 0) {
    dataplane.run(now, UINT64_MAX);
    settled(waiting);
  }
  // As run(), and what is due by then.
  void run_timer(Nanos now, uint32_t waiting = 0) {
    run(now, dataplane.context().next_hops.waiting());
    next_hop_timer(dataplane.context());
    settled(waiting);
  }
  void settled(uint32_t waiting = 0) {
    const Pools& pools = dataplane.context().pools;
    CHECK_EQ(dataplane.context().counters.imbalance(), 0);
    CHECK_EQ(total(Counter::waiting), waiting);
    CHECK_EQ(pools.small().available() + pools.large().available() + waiting,
             pools.small().size() + pools.large().size());
  }
  // Injects one frame, runs, and says how many came out where.
  void pass(uint16_t port, const Bytes& frame, Nanos now = 0) {
    inject(port, frame);
    run(now);
  }
  uint64_t total(Counter counter) { return dataplane.context().counters.total(counter); }

  Dataplane dataplane;

 private:
  std::vector<MemoryPort*> memories_;
};

}  // namespace overlane::test
