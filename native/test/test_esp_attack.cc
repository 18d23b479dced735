// What somebody does who has recorded packets, or a key that is out: replays where a window was lost, a key under an id
// that was another's; and what is inside a burst while SAs come and go.
#include <cstring>

#include "core/datagram.h"
#include "stage/open.h"
#include "test/esp_lab.h"
#include "wire/esp.h"

using namespace overlane;
using namespace overlane::test;

namespace {

constexpr uint64_t kMinute = uint64_t{60} * 1'000'000'000;

// Node 1 as a sender whose clock we set: one SA of profile strong to node 2, and its packets as frames.
class Sender {
 public:
  explicit Sender(uint64_t clock, uint32_t id = 1) : outer_(EspNode({}, 1, 2).seal(inner())[0]) {
    const Keyring ring{true, {EspProfile::strong, 128, AeadEngine::openssl, 1u << 20}, keys_of({}, {id}), 0};
    CHECK(sa_.open(ring, node_address(false, 1), node_address(false, 2), clock) == OutboundSa::State::ready);
  }
  static Bytes inner() { return udp_frame(mac(2), mac(1), 1, 2); }

  Bytes seal(uint64_t clock) {
    PacketNumber number;
    CHECK(sa_.next(clock, number));
    Bytes frame = outer_;
    uint8_t* esp = &frame[kEsp];
    store_be32(esp, sa_.spi());
    store_be32(esp + 4, static_cast<uint32_t>(number.sequence));
    store_be64(esp + 8, number.iv);
    const Bytes plain = plaintext();
    std::memcpy(esp + sizeof(Esp), plain.data(), plain.size());
    AeadJob job{};
    job.in = job.out = esp + sizeof(Esp);
    job.length = static_cast<uint32_t>(plain.size());
    job.tag = job.out + job.length;
    job.aad_length = 12;
    store_be32(job.aad, sa_.spi());
    store_be64(job.aad + 4, number.sequence);
    std::memcpy(job.nonce, sa_.salt(), 4);
    store_be64(job.nonce + 4, number.iv);
    CHECK(sa_.aead().seal(&job, 1));
    return frame;
  }

 private:
  static constexpr uint32_t kEsp = 42;

  // UDP, VXLAN, frame, padding and trailer.
  static Bytes plaintext() {
    Bytes plain = hex("c000 12b5 0000 0000 0800 0000 0010 0100");
    const Bytes frame = inner();
    store_be16(&plain[4], static_cast<uint16_t>(plain.size() + frame.size()));
    plain.insert(plain.end(), frame.begin(), frame.end());
    uint8_t padding = 0;
    while ((plain.size() + 2) % 4 != 0) plain.push_back(++padding);
    plain.push_back(padding);
    plain.push_back(17);
    return plain;
  }

  Bytes outer_;
  OutboundSa sa_;
};

uint32_t opened_of(EspNode& node, const std::vector<Bytes>& packets) {
  uint32_t count = 0;
  for (const Bytes& packet : packets) count += static_cast<uint32_t>(node.open(packet).size());
  return count;
}

}  // namespace

TEST("esp attack: a receiver that starts again takes an old SA's next packet, and none of its recordings") {
  const uint64_t now = wall_clock();
  Sender sender(now - 10 * kMinute);
  std::vector<Bytes> recorded;
  for (int i = 0; i < 50; ++i) recorded.push_back(sender.seal(now - 10 * kMinute));
  EspNode right({}, 2, 1, {1}, 4097, true);
  CHECK_EQ(opened_of(right, recorded), 0u);  // the first of an SA, and too old
  CHECK_EQ(right.total(Counter::drop_esp_stale), 50u);
  CHECK_EQ(right.open(sender.seal(now)).size(), 1u);
  CHECK_EQ(opened_of(right, recorded), 0u);  // of a known SA, whose window is new
}

TEST("esp attack: an SA that made room, and is heard again, brings no recordings back") {
  const uint64_t now = wall_clock();
  Sender sender(now);
  std::vector<Bytes> recorded;
  for (int i = 0; i < 50; ++i) recorded.push_back(sender.seal(now));
  EspNode right({}, 2, 1, {1}, 4097, true);
  CHECK_EQ(opened_of(right, recorded), 50u);
  for (uint32_t i = 0; i < Association::kMaxInbound; ++i) {
    Sender other(now + kMinute);
    CHECK_EQ(right.open(other.seal(now + kMinute)).size(), 1u);
  }
  CHECK_EQ(right.open(sender.seal(now + 2 * kMinute)).size(), 1u);
  CHECK_EQ(opened_of(right, recorded), 0u);
}

TEST("esp attack: a peer that is removed and added again brings no recordings back") {
  const uint64_t now = wall_clock();
  Sender sender(now - kMinute / 2);
  std::vector<Bytes> recorded;
  for (int i = 0; i < 50; ++i) recorded.push_back(sender.seal(now - kMinute / 2));
  EspNode right({}, 2, 1, {1}, 4097, true);
  CHECK_EQ(opened_of(right, recorded), 50u);
  const uint16_t domain = right.lab.dataplane.domain_of(right.bridge, kNoVlan);
  right.lab.dataplane.remove_vtep(domain, right.remote);
  right.lab.dataplane.add_vtep(domain, right.remote, true);
  CHECK_EQ(opened_of(right, recorded), 0u);
  CHECK_EQ(right.open(sender.seal(now)).size(), 1u);
}

TEST("esp attack: another secret under an id that was in use is another key, to send and to receive with") {
  for (EspProfile profile : {EspProfile::strong, EspProfile::docker}) {
    const EspSetting setting{profile};
    EspNode left(setting, 1, 2), right(setting, 2, 1);
    const Bytes inner = Sender::inner();
    CHECK_EQ(right.open(left.seal(inner)[0]).size(), 1u);
    const Bytes old = left.seal(inner)[0];
    auto keys = keys_of(setting, {77});
    keys[0].id = 1;
    right.lab.dataplane.set_keys(right.keyring, keys, 0);
    CHECK_EQ(right.open(old).size(), 0u);
    CHECK_EQ(right.open(left.seal(inner)[0]).size(), 0u);
    keys[0].sent = std::make_shared<SentSpis>();
    left.lab.dataplane.set_keys(left.keyring, keys, 0);
    const auto sealed = left.seal(inner);
    CHECK_EQ(sealed.size(), 1u);
    CHECK_EQ(right.open(sealed[0]).size(), 1u);
  }
}

TEST("esp attack: a tagged frame of a mapped VLAN that waited for its next hop leaves without its tag, sealed") {
  Lab lab;
  const uint16_t container = lab.port(), wire = lab.port();
  UnderlayOptions options;
  options.port = wire;
  options.udp_port = 4789;
  options.mtu = 1500;
  options.local = node_address(false, 1);
  options.mac = load_mac(mac(1).data());
  options.esp = EspCarriage::udp;
  options.esp_port = 4500;
  options.resolve = true;
  options.prefix_length = 24;
  const uint16_t underlay = lab.dataplane.add_underlay(options);
  BridgeOptions bridge = Lab::plain();
  bridge.underlay = underlay;
  bridge.domains = {{10, 4097}};
  bridge.policy.keyring = lab.dataplane.add_keyring({EspProfile::strong, 128, AeadEngine::openssl, 1u << 20});
  lab.dataplane.set_keys(bridge.policy.keyring, keys_of({}, {1}), 0);
  const uint16_t added = lab.bridge({container}, bridge);
  const IpAddress peer = node_address(false, 2);
  lab.dataplane.add_vtep(lab.dataplane.domain_of(added, 10), peer, true);
  const Bytes inner = Sender::inner();
  Bytes tagged = inner;
  const Bytes tag = hex("8100 000a");
  tagged.insert(tagged.begin() + 12, tag.begin(), tag.end());
  lab.inject(container, tagged);
  lab.run(0, 1);
  CHECK_EQ(lab.drain(wire).size(), 1u);  // the ARP request
  lab.dataplane.set_next_hop(underlay, peer, load_mac(mac(2).data()));
  lab.settled();
  const auto sealed = lab.drain(wire);
  CHECK_EQ(sealed.size(), 1u);
  EspNode right({}, 2, 1);
  CHECK(right.open(sealed[0]) == std::vector<Bytes>{inner});
}

TEST("esp attack: more SAs in one burst, and in one train, than a peer may have: each packet arrives, none twice") {
  EspNode right({}, 2, 1, {1}, 4097, true);
  const uint64_t now = wall_clock();
  std::vector<Bytes> packets;
  for (uint32_t i = 0; i < Association::kMaxInbound + 44; ++i) packets.push_back(Sender(now).seal(now + i));
  for (const Bytes& packet : packets) right.lab.inject(right.wire, packet);
  right.lab.run();
  CHECK_EQ(right.lab.drain(right.container).size(), packets.size());
  for (const Bytes& packet : packets) right.lab.inject(right.wire, packet);
  right.lab.run();
  CHECK_EQ(right.lab.drain(right.container).size(), 0u);

  EspNode fresh({}, 2, 1, {1}, 4097, true);
  Context& context = fresh.lab.dataplane.context();
  const auto stride = static_cast<uint16_t>(packets[0].size() - 42);
  const auto count = static_cast<uint32_t>(packets.size());
  Packet* train = context.pools.take(count * stride);
  train->length = count * stride;
  train->time = 0;
  train->set_origin(fresh.wire, fresh.wire, kNoDomain);
  for (uint32_t i = 0; i < count; ++i) std::memcpy(train->data + i * stride, &packets[i][42], stride);
  Datagram datagram{};
  datagram.peer = fresh.remote;
  datagram.stride = stride;
  set_datagram(*train, datagram);
  Packet* out[kMaxBurst];
  const uint32_t made = open_train(train, fresh.underlay, out, kMaxBurst, context);
  CHECK_EQ(made, kMaxBurst);  // datagrams that do not continue each other
  CHECK_EQ(fresh.total(Counter::opened), count);
  CHECK_EQ(fresh.total(Counter::drop_pool_empty), count - kMaxBurst);
  for (uint32_t i = 0; i < made; ++i) release(out[i]);
}

TEST("esp attack: a packet limit below what one burst holds loses nothing") {
  for (uint64_t limit : {1u, 20u, 1030u}) {
    EspSetting setting;
    setting.packet_limit = limit;
    EspNode left(setting, 1, 2), right(setting, 2, 1);
    for (int i = 0; i < 200; ++i) left.lab.inject(left.container, Sender::inner());
    left.lab.run();
    const auto sealed = left.lab.drain(left.wire);
    CHECK_EQ(sealed.size(), 200u);
    CHECK_EQ(opened_of(right, sealed), 200u);
  }
}
