// Any bytes through parse -> bridge -> encap -> decap. The first byte says where the frame enters: a container port,
// or the wire as it is, or the wire behind headers that are right; or a macvlan or ipvlan network. What comes out on
// the wire of one side goes into the other. After every input the accounting must balance and every packet be back in
// its pool.
#include <algorithm>
#include <cstdlib>
#include <memory>

#include "engine/dataplane.h"
#include "port/memory.h"
#include "stage/columns.h"

using namespace overlane;

namespace {

DataplaneOptions options() {
  DataplaneOptions o;
  o.fdb_entries = 128;
  o.neighbor_entries = 64;
  o.small_packets = 32;
  o.large_packets = 8;
  return o;
}

// A macvlan or ipvlan network of each kind, whose uplinks are VLANs of one trunk, with a learning bridge on what has no
// tag.
struct Networks {
  Networks() : dataplane(options()) {
    trunk = add();
    for (uint32_t kind = 0; kind < kForwardings; ++kind) {
      BridgeOptions b;
      b.domains = {{kNoVlan, -1}};
      b.fdb_limit = b.port_fdb_limit = 64;
      b.ageing = 1000;
      b.policy.forwarding = static_cast<Forwarding>(kind);
      b.policy.mac = 0x0100630a4202;
      const uint16_t bridge = dataplane.add_bridge(b);
      const uint16_t domain = dataplane.domain_of(bridge, kNoVlan);
      AttachOptions up;
      up.uplink = kind != 0;
      up.uplink_mac = 0x0900630a4202;
      up.vlan = kind == 0 ? kNoVlan : static_cast<uint16_t>(kind);
      dataplane.attach(bridge, trunk, up);
      const int most = b.policy.forwarding == Forwarding::macvlan_passthru ? 1 : 2;
      for (uint8_t i = 0; i < most; ++i) {
        const uint16_t port = add();
        dataplane.attach(bridge, port, {false, true, 32});
        containers.push_back(port);
        const uint8_t ip[4] = {10, 99, 0, static_cast<uint8_t>(1 + i)};
        if (kind == 0) continue;
        dataplane.add_fdb(domain, 0x0100630a4202 + (uint64_t{i} << 40), port);
        dataplane.add_address(domain, IpAddress::v4(ip), port);
      }
    }
  }
  uint16_t add() {
    auto port = std::make_unique<MemoryPort>(MemoryPort::Options{1 << 20, false, false});
    MemoryPort* added = port.get();
    const uint16_t index = dataplane.add_port(std::move(port), 1500);
    memory.resize(index + 1u);
    memory[index] = added;
    return index;
  }
  // From a container; from the trunk as it is, and with the tag of each network.
  void take(const uint8_t* data, uint32_t size, uint8_t which, Nanos now) {
    memory[containers[which % containers.size()]]->inject(data, size);
    memory[trunk]->inject(data, size);
    if (size >= 12) {
      std::vector<uint8_t> tagged(data, data + 12);
      tagged.insert(tagged.end(), {0x81, 0x00, 0x00, static_cast<uint8_t>(which % 8)});
      tagged.insert(tagged.end(), data + 12, data + size);
      memory[trunk]->inject(tagged.data(), static_cast<uint32_t>(tagged.size()));
    }
    dataplane.run(now, UINT64_MAX);
    const Context& c = dataplane.context();
    if (c.counters.imbalance() != 0) abort();
    if (c.pools.small().available() != c.pools.small().size()) abort();
    if (c.pools.large().available() != c.pools.large().size()) abort();
    for (MemoryPort* port : memory) {
      if (port != nullptr) port->drained().clear();
    }
  }

  Dataplane dataplane;
  std::vector<MemoryPort*> memory;  // by port
  std::vector<uint16_t> containers;
  uint16_t trunk;
};

struct Side {
  explicit Side(uint8_t self, uint8_t peer, bool v6) : dataplane(options()) {
    container = add(add_memory());
    second = add(add_memory());
    wire = add(add_memory());
    UnderlayOptions u;
    u.port = wire;
    u.udp_port = 4789;
    u.mtu = 65535;
    u.mac = 0x020000000000 | self << 1;
    u.local = address(self, v6);
    u.send_checksum = v6;
    u.verify_checksum = v6;
    const uint16_t underlay = dataplane.add_underlay(u);
    dataplane.set_next_hop(underlay, address(peer, v6), 0x02);
    BridgeOptions b;
    b.underlay = underlay;
    b.domains = {{kNoVlan, 4097}, {100, 5000}};
    b.ageing = 1000;
    b.fdb_limit = b.port_fdb_limit = 64;
    b.policy.proxy_arp = b.policy.arp_snooping = b.policy.learn_remote = true;
    bridge = dataplane.add_bridge(b);
    dataplane.attach(bridge, container, {false, true, 32});
    dataplane.attach(bridge, second, {true, true, 32});
    for (uint16_t vlan : {kNoVlan, uint16_t{100}}) {
      dataplane.add_vtep(dataplane.domain_of(bridge, vlan), address(peer, v6), true);
    }
    const uint8_t known[4] = {10, 99, 0, 4};
    dataplane.add_neighbor(dataplane.domain_of(bridge, kNoVlan), IpAddress::v4(known), 0x0400630a4202);
    // A station's MAC, so that the captures have frames for it.
    const uint16_t router = dataplane.add_router(0x0300630a4202);
    dataplane.add_interface(router, dataplane.domain_of(bridge, kNoVlan), gateways(0), 1400);
    dataplane.add_interface(router, dataplane.domain_of(bridge, 100), gateways(1), 1300);
  }

  static IpAddress address(uint8_t last, bool v6) {
    const uint8_t four[4] = {192, 168, 77, last};
    uint8_t sixteen[16] = {0xfd};
    sixteen[15] = last;
    return v6 ? IpAddress::v6(sixteen) : IpAddress::v4(four);
  }
  static std::vector<Prefix> gateways(uint8_t subnet) {
    const uint8_t four[4] = {10, 99, subnet, 1};
    const uint8_t sixteen[16] = {0xfd, 0x99, subnet, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return {{IpAddress::v4(four), 24}, {IpAddress::v6(sixteen), 64}};
  }
  std::unique_ptr<MemoryPort> add_memory() {
    return std::make_unique<MemoryPort>(MemoryPort::Options{1 << 20, false, false});
  }
  uint16_t add(std::unique_ptr<MemoryPort> port) {
    memory.push_back(port.get());
    return dataplane.add_port(std::move(port), 65535);
  }
  void settle(Nanos now) {
    dataplane.run(now, UINT64_MAX);
    const Context& c = dataplane.context();
    if (c.counters.imbalance() != 0) abort();
    if (c.pools.small().available() != c.pools.small().size()) abort();
    if (c.pools.large().available() != c.pools.large().size()) abort();
  }

  Dataplane dataplane;
  std::vector<MemoryPort*> memory;
  uint16_t container, second, wire, bridge;
};

void move_wire(Side& from, Side& to, Nanos now) {
  auto& queue = from.memory[from.wire]->drained();
  for (const auto& frame : queue.frames) {
    to.memory[to.wire]->inject(queue.bytes.data() + frame.offset, frame.length);
  }
  queue.clear();
  to.settle(now);
}

// The input as frames one after the other, each behind two bytes: its length, how often it comes, and at which port.
// So that one burst holds several, and a flood in its middle empties the pool.
void inject_several(Side& side, uint16_t enter, const uint8_t* data, size_t size) {
  constexpr uint32_t kMost = 100;
  for (uint32_t injected = 0; size > 2 && injected < kMost;) {
    const auto head = load<uint16_t>(data);
    const auto length = static_cast<uint32_t>(std::min<size_t>(head & 0x7ff, size - 2));
    const uint32_t times = head & 0x800 ? 20 : 1;
    const uint16_t port = head & 0x8000 ? side.wire : enter;
    for (uint32_t i = 0; i < times; ++i) side.memory[port]->inject(data + 2, length);
    injected += times;
    data += 2 + length;
    size -= 2 + length;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Side left4(1, 2, false), right4(2, 1, false), left6(1, 2, true), right6(2, 1, true);
  static Networks networks;
  static Nanos now = 0;
  if (size < 1) return 0;
  now += 1'000'000;
  const uint8_t mode = data[0];
  ++data, --size;
  if (mode & 16) return networks.take(data, static_cast<uint32_t>(size), mode >> 5 | (mode & 15) << 3, now), 0;
  Side& left = mode & 1 ? left6 : left4;
  Side& right = mode & 1 ? right6 : right4;
  const uint16_t enter = mode & 2 ? left.wire : mode & 4 ? left.second : left.container;
  if (mode & 8) {
    inject_several(left, enter, data, size);
  } else {
    left.memory[enter]->inject(data, static_cast<uint32_t>(size));
  }
  left.settle(now);
  move_wire(left, right, now);
  move_wire(right, left, now);
  for (Side* side : {&left, &right}) {
    side->memory[side->container]->drained().clear();
    side->memory[side->second]->drained().clear();
    side->memory[side->wire]->drained().clear();
    side->dataplane.context().misses.take();
  }
  static std::vector<uint8_t> columns(columns_bytes(1));
  const uint32_t offset = 0;
  const auto length = static_cast<uint32_t>(size);
  ColumnWriter(columns.data(), 1).write(data, &offset, &length, 1);
  return 0;
}
