// Any bytes to an underlay of ESP. The first byte says how: as they are, as a train, or behind the header of a peer's
// SA; then what was really sealed, changed here and there; or, to a peer whose engine is the null one, as what is
// authentic whatever it is. After every input the accounting must balance and every packet be back in its pool, and
// nothing may reach a container that was not sealed unchanged.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>

#include "core/datagram.h"
#include "crypto/engine.h"
#include "crypto/kdf.h"
#include "engine/dataplane.h"
#include "port/memory.h"
#include "wire/esp.h"

using namespace overlane;

namespace {

using Bytes = std::vector<uint8_t>;

IpAddress address(uint8_t last) {
  const uint8_t bytes[4] = {192, 168, 77, last};
  return IpAddress::v4(bytes);
}

// Datagrams in memory, trains too.
class WirePort final : public Port {
 public:
  struct Item {
    Bytes bytes;
    uint16_t stride;
  };
  Nanos next_due() override { return in.empty() ? kNever : kNow; }
  uint32_t receive(Packet** packets, uint32_t max, Nanos now, Nanos, Pools& pools, CounterRow&) override {
    uint32_t count = 0;
    for (; count < max && !in.empty(); in.pop_front()) {
      Packet* packet = pools.take(static_cast<uint32_t>(in.front().bytes.size()));
      if (packet == nullptr) return count;
      std::copy(in.front().bytes.begin(), in.front().bytes.end(), packet->data);
      packet->length = static_cast<uint32_t>(in.front().bytes.size());
      packet->time = now;
      Datagram datagram{};
      datagram.peer = address(1);
      datagram.stride = in.front().stride;
      set_datagram(*packet, datagram);
      packets[count++] = packet;
    }
    return count;
  }
  uint32_t transmit(Packet** packets, uint32_t count, CounterRow&) override {
    for (uint32_t i = 0; i < count; ++i) {
      out.push_back({Bytes(packets[i]->data, packets[i]->data + packets[i]->length), 0});
      release(packets[i]);
    }
    return count;
  }
  std::deque<Item> in;
  std::deque<Item> out;
};

struct Node {
  Node(uint8_t self, uint8_t peer, EspProfile profile, AeadEngine engine) : dataplane(options()) {
    auto memory = std::make_unique<MemoryPort>(MemoryPort::Options{1 << 20, false, false});
    auto carrier = std::make_unique<WirePort>();
    container = memory.get();
    wire = carrier.get();
    const uint16_t inside = dataplane.add_port(std::move(memory), 65535);
    UnderlayOptions u;
    u.datagrams = true;
    u.port = dataplane.add_port(std::move(carrier), 65535);
    u.udp_port = 4789;
    u.mtu = 65535;
    u.local = address(self);
    u.esp = profile == EspProfile::strong ? EspCarriage::udp : EspCarriage::ip;
    BridgeOptions b;
    b.underlay = dataplane.add_underlay(u);
    b.domains = {{kNoVlan, 4097}};
    b.fdb_limit = b.port_fdb_limit = 64;
    b.policy.keyring = dataplane.add_keyring({profile, 128, engine, uint64_t{1} << 32});
    const Bytes secret(profile == EspProfile::strong ? 32 : 16, 0x5a);
    dataplane.set_keys(
        b.policy.keyring,
        {{1, std::make_shared<const Secret>(secret.data(), secret.size()), std::make_shared<SentSpis>()}}, 0);
    const uint16_t bridge = dataplane.add_bridge(b);
    dataplane.attach(bridge, inside, {false, true, 32});
    dataplane.add_vtep(dataplane.domain_of(bridge, kNoVlan), address(peer), true);
  }
  static DataplaneOptions options() {
    DataplaneOptions o;
    o.fdb_entries = 128;
    o.neighbor_entries = 64;
    o.small_packets = 64;
    o.large_packets = 4;
    return o;
  }
  void settle() {
    dataplane.run(0, UINT64_MAX);
    const Context& c = dataplane.context();
    if (c.counters.imbalance() != 0) abort();
    if (c.pools.small().available() != c.pools.small().size()) abort();
    if (c.pools.large().available() != c.pools.large().size()) abort();
  }
  size_t arrived() {
    const size_t count = container->drained().frames.size();
    container->drained().clear();
    return count;
  }

  Dataplane dataplane;
  MemoryPort* container;
  WirePort* wire;
};

struct Pair {
  Pair(EspProfile profile, AeadEngine engine) : left(1, 2, profile, engine), right(2, 1, profile, engine) {}
  Bytes seal(const Bytes& frame) {
    left.container->inject(frame.data(), static_cast<uint32_t>(frame.size()));
    left.settle();
    Bytes sealed = left.wire->out.empty() ? Bytes{} : left.wire->out.front().bytes;
    left.wire->out.clear();
    return sealed;
  }
  Node left, right;
};

void as_it_is(Pair& pair, const Bytes& bytes, uint16_t stride) {
  pair.right.wire->in.push_back({bytes, stride});
  pair.right.settle();
  if (pair.right.arrived() != 0) abort();
}

// Pairs of position and change, to a frame that was really sealed; without any it has to arrive.
void changed(Pair& pair, const uint8_t* data, size_t size) {
  Bytes frame(60 + (size > 0 ? data[0] : 0), 0x11);
  frame[0] = 0x02;
  frame[6] = 0x06;
  const Bytes good = pair.seal(frame);
  Bytes bad = good;
  for (size_t i = 1; i + 2 < size; i += 3) {
    bad[(size_t{data[i]} << 8 | data[i + 1]) % bad.size()] ^= data[i + 2];
    if (data[i + 2] == 0xff) bad.resize(1 + data[i] * bad.size() / 256);
  }
  pair.right.wire->in.push_back({bad, 0});
  pair.right.settle();
  if (pair.right.arrived() != (bad == good ? 1u : 0u)) abort();
}

// The null engine takes a tag of zeros for right: what is inside is the fuzzer's.
void authentic(Pair& pair, const uint8_t* data, size_t size, uint16_t stride) {
  Bytes packet(sizeof(Esp));
  const uint32_t spi = docker_spi(address(1), address(2), 1);
  store_be32(packet.data(), spi);
  packet.insert(packet.end(), data, data + size);
  packet.insert(packet.end(), 8, 0);
  Bytes train = packet;
  if (stride != 0) train.insert(train.end(), packet.begin(), packet.end());
  pair.right.wire->in.push_back({train, static_cast<uint16_t>(stride == 0 ? 0 : packet.size())});
  pair.right.settle();
  pair.right.arrived();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Pair strong(EspProfile::strong, best_engine()), docker(EspProfile::docker, best_engine());
  static Pair null(EspProfile::docker, AeadEngine::null);
  if (size == 0) return 0;
  const uint8_t mode = data[0];
  Pair& pair = mode & 1 ? strong : docker;
  const Bytes rest(data + 1, data + size);
  switch (mode >> 1 & 3) {
    case 0:
      as_it_is(pair, rest, static_cast<uint16_t>(mode & 8 ? 1 + mode * 7 : 0));
      break;
    case 1: {
      Bytes known(4);
      store_be32(known.data(), docker_spi(address(1), address(2), 1));
      known.insert(known.end(), rest.begin(), rest.end());
      as_it_is(docker, known, static_cast<uint16_t>(mode & 8 ? 1 + mode * 7 : 0));
      break;
    }
    case 2:
      changed(pair, rest.data(), rest.size());
      break;
    default:
      authentic(null, rest.data(), rest.size(), mode & 8);
  }
  return 0;
}
