// Ports of which several VLANs belong to several bridges.
#include <memory>

#include "test/lab.h"
#include "test/offload_frames.h"

using namespace overlane;
using namespace overlane::test;

namespace {

constexpr uint16_t kNative = kNoVlan;

AttachOptions lane(uint16_t vlan) {
  AttachOptions options{false, true, 1024};
  options.vlan = vlan;
  return options;
}

// A trunk whose VLANs 100 and 200, and what has no tag, lead to a bridge with one container each.
struct Trunk {
  explicit Trunk(uint32_t mtu = 65535) : wire(lab.port(mtu)) {
    for (uint16_t vlan : {uint16_t{100}, uint16_t{200}, kNative}) {
      containers.push_back(lab.port());
      bridges.push_back(lab.bridge({containers.back()}));
      lab.dataplane.attach(bridges.back(), wire, lane(vlan));
    }
  }
  Lab lab;
  uint16_t wire;
  std::vector<uint16_t> containers, bridges;
};

// Receives one super-frame, or one with an open checksum.
class SuperPort final : public Port {
 public:
  SuperPort(Bytes frame, uint16_t segment) : frame_(std::move(frame)), segment_(segment) {}
  Nanos next_due() override { return frame_.empty() ? kNever : kNow; }
  uint32_t receive(Packet** packets, uint32_t, Nanos now, Nanos, Pools& pools, CounterRow&) override {
    packets[0] = packet_of(pools, std::exchange(frame_, {}), segment_, kPartialChecksum);
    packets[0]->time = now;
    return 1;
  }
  uint32_t transmit(Packet**, uint32_t, CounterRow&) override { return 0; }

 private:
  Bytes frame_;
  uint16_t segment_;
};

}  // namespace

TEST("trunk: each VLAN of a port is the port of another bridge, without the tag") {
  Trunk t;
  const Bytes in = udp_frame(mac(1), mac(9), 9, 1), out = udp_frame(mac(9), mac(1), 1, 9);
  const Bytes priority = hex("8100 a000");
  Bytes urgent = in;
  urgent.insert(urgent.begin() + 12, priority.begin(), priority.end());
  for (const Bytes& frame : {with_tag(in, 100), with_tag(in, 200), in, with_tag(in, 100), urgent}) {
    t.lab.inject(t.wire, frame);
  }
  t.lab.run();
  CHECK(t.lab.drain(t.containers[0]) == (std::vector<Bytes>{in, in}));
  CHECK(t.lab.drain(t.containers[1]) == (std::vector<Bytes>{in}));
  CHECK(t.lab.drain(t.containers[2]) == (std::vector<Bytes>{in, in}));
  for (uint16_t container : t.containers) t.lab.pass(container, out);
  CHECK(t.lab.drain(t.wire) == (std::vector<Bytes>{with_tag(out, 100), with_tag(out, 200), out}));
  CHECK_EQ(t.lab.total(Counter::flooded), 5u);  // the way back was learned in each network
  // All of it is counted with the port.
  const Counters& counters = t.lab.dataplane.context().counters;
  CHECK_EQ(counters.rows()[t.wire].get(Counter::rx_packets), 5u);
  CHECK_EQ(counters.rows()[t.wire].get(Counter::tx_packets), 3u);
  CHECK_EQ(counters.rows()[t.wire].get(Counter::tx_bytes), 3 * out.size() + 8);
}

TEST("trunk: VLANs of nobody are refused, both ways; inner tags stay") {
  Trunk t;
  const Bytes in = udp_frame(mac(1), mac(9), 9, 1), out = udp_frame(mac(9), mac(1), 1, 9);
  t.lab.pass(t.wire, with_tag(in, 300));
  t.lab.pass(t.wire, with_tag(in, 4095));
  Bytes service = with_tag(in, 100);
  service[12] = 0x88, service[13] = 0xa8;
  t.lab.pass(t.wire, service);
  CHECK_EQ(t.lab.total(Counter::drop_vlan_unknown), 3u);
  t.lab.pass(t.wire, with_tag(with_tag(in, 7), 100));
  CHECK(t.lab.drain(t.containers[0]) == (std::vector<Bytes>{with_tag(in, 7)}));
  t.lab.pass(t.containers[0], with_tag(out, 7));
  CHECK(t.lab.drain(t.wire) == (std::vector<Bytes>{with_tag(with_tag(out, 7), 100)}));
  // From the untagged network nobody gets into VLAN 100.
  t.lab.pass(t.containers[2], with_tag(out, 100));
  CHECK(t.lab.drain(t.wire).empty());
  CHECK_EQ(t.lab.total(Counter::drop_vlan_unknown), 4u);
  // A tag of priority only is no VLAN: it becomes that of the lane, and keeps the priority.
  Bytes urgent = with_tag(out, 0);
  urgent[14] = 0xa0;
  Bytes expected = with_tag(out, 100);
  expected[14] = 0xa0;
  t.lab.pass(t.containers[0], urgent);
  CHECK(t.lab.drain(t.wire) == (std::vector<Bytes>{expected}));
}

TEST("trunk: a flooded packet has the tag on the trunk and none elsewhere") {
  Trunk t;
  const uint16_t other = t.lab.port(), far = t.lab.port();
  t.lab.dataplane.attach(t.bridges[0], other, {false, true, 1024});
  t.lab.dataplane.attach(t.bridges[0], far, lane(33));
  const Bytes out = udp_frame(broadcast(), mac(1), 1, 9);
  t.lab.pass(t.containers[0], out);
  CHECK(t.lab.drain(t.wire) == (std::vector<Bytes>{with_tag(out, 100)}));
  CHECK(t.lab.drain(other) == (std::vector<Bytes>{out}));
  CHECK(t.lab.drain(far) == (std::vector<Bytes>{with_tag(out, 33)}));
}

TEST("trunk: the MTU is that of the packet inside the tag") {
  Trunk t(1000);
  t.lab.pass(t.containers[0], udp_frame(mac(9), mac(1), 1, 9, 1014));
  CHECK_EQ(t.lab.drain(t.wire).size(), 1u);
  t.lab.pass(t.containers[0], udp_frame(mac(9), mac(1), 1, 9, 1015));
  CHECK(t.lab.drain(t.wire).empty());
  CHECK_EQ(t.lab.total(Counter::drop_mtu), 1u);
  t.lab.dataplane.set_mtu(t.wire, 1001);
  t.lab.pass(t.containers[0], udp_frame(mac(9), mac(1), 1, 9, 1015));
  CHECK_EQ(t.lab.drain(t.wire).size(), 1u);
}

TEST("trunk: super-frames and open checksums are tagged, then finished; any shape") {
  for (Flow flow : all_flows()) {
    if (flow.tags != 0) continue;
    const Bytes payload = payload_bytes(10000);
    const Bytes super = with_partial_checksum(flow, frame_of(flow, payload, {.flags = kAckPush}));
    for (uint16_t segment : {uint16_t{1400}, uint16_t{0}}) {
      Trunk t;
      const uint16_t source = t.lab.dataplane.add_port(std::make_unique<SuperPort>(super, segment), 65535);
      t.lab.dataplane.attach(t.bridges[0], source, {false, true, 1024});
      t.lab.dataplane.detach(t.bridges[0], t.containers[0]);
      t.lab.run();
      std::vector<Bytes> expected;
      const size_t size = segment == 0 ? payload.size() : segment;
      for (const Bytes& frame : stream(flow, payload, size)) expected.push_back(with_tag(frame, 100));
      CHECK(t.lab.drain(t.wire) == expected);
    }
  }
}

TEST("trunk: what is known on one VLAN is not on another, and answers go back through theirs") {
  Lab lab;
  const uint16_t wire = lab.port(), container = lab.port();
  BridgeOptions options = Lab::plain();
  options.policy.proxy_arp = true;
  const uint16_t bridge = lab.bridge({container}, options);
  lab.dataplane.attach(bridge, wire, lane(5));
  const uint8_t known[4] = {10, 0, 0, 7};
  lab.dataplane.add_neighbor(lab.dataplane.domain_of(bridge, kNoVlan), IpAddress::v4(known), load_mac(mac(7).data()));
  lab.pass(wire, with_tag(arp_request(9, 7), 5));
  const std::vector<Bytes> answers = lab.drain(wire);
  CHECK_EQ(answers.size(), 1u);
  CHECK(slice(answers[0], 0, 16) == join({mac(9), mac(7), hex("8100 0005")}));
  CHECK(lab.drain(container).empty());
}

TEST("trunk: no room for a tag is a named drop") {
  Trunk t;
  Context& context = t.lab.dataplane.context();
  context.counters.port(t.containers[0]).add(Counter::rx_packets);
  const Bytes frame = udp_frame(mac(9), mac(1), 1, 9);
  Packet* packet = packet_of(context.pools, frame);
  std::copy(frame.begin(), frame.end(), packet->buffer() + 3);
  packet->data = packet->buffer() + 3;
  packet->set_origin(t.containers[0], t.containers[0], 1);
  context.output.to_port(t.lab.dataplane.place_of(t.bridges[0], t.wire), packet, context);
  context.output.flush(context);
  t.lab.settled();
  CHECK_EQ(t.lab.total(Counter::drop_headroom), 1u);
}

TEST("trunk: VLANs come and go, and leave nothing behind") {
  Trunk t;
  const Bytes in = udp_frame(mac(1), mac(9), 9, 1);
  const uint16_t rows = t.lab.dataplane.port_count();
  t.lab.pass(t.wire, with_tag(in, 100));
  CHECK_EQ(t.lab.dataplane.context().fdb->size(), 1u);
  for (int round = 0; round < 1000; ++round) {
    t.lab.dataplane.detach(t.bridges[0], t.wire);
    CHECK_EQ(t.lab.dataplane.place_of(t.bridges[0], t.wire), kNoPort);
    t.lab.dataplane.attach(t.bridges[0], t.wire, lane(static_cast<uint16_t>(400 + round)));
  }
  CHECK_EQ(t.lab.dataplane.port_count(), rows);
  CHECK_EQ(t.lab.dataplane.context().fdb->size(), 0u);
  t.lab.drain(t.containers[0]);
  t.lab.pass(t.wire, with_tag(in, 1399));
  t.lab.pass(t.wire, with_tag(in, 100));
  CHECK_EQ(t.lab.drain(t.containers[0]).size(), 1u);
  CHECK_EQ(t.lab.total(Counter::drop_vlan_unknown), 1u);
  // Without lanes it is an ordinary port again, whose tags are left alone.
  t.lab.dataplane.remove_bridge(t.bridges[0]);
  t.lab.dataplane.detach(t.bridges[1], t.wire);
  t.lab.pass(t.wire, with_tag(in, 200));
  CHECK(t.lab.drain(t.containers[2]) == (std::vector<Bytes>{with_tag(in, 200)}));
  t.lab.dataplane.remove_port(t.wire);
  t.lab.pass(t.containers[2], in);
  CHECK_EQ(t.lab.total(Counter::drop_no_destination), 1u);
}
