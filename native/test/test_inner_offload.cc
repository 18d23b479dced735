// A container's own VXLAN, whose inner checksum is open, on its way into ours.
#include <memory>

#include "port/memory.h"
#include "test/lab.h"

using namespace overlane;
using namespace overlane::test;

namespace {

// Receives one frame, and says what is open in it.
class OpenPort final : public Port {
 public:
  OpenPort(Bytes frame, uint16_t flags) : frame_(std::move(frame)), flags_(flags) {}
  Nanos next_due() override { return frame_.empty() ? kNever : kNow; }
  uint32_t receive(Packet** packets, uint32_t, Nanos now, Nanos, Pools& pools, CounterRow&) override {
    Packet* packet = packets[0] = pools.take(static_cast<uint32_t>(frame_.size()));
    std::copy(frame_.begin(), frame_.end(), packet->data);
    packet->length = static_cast<uint32_t>(frame_.size());
    packet->time = now;
    packet->flags = flags_;
    frame_.clear();
    return 1;
  }
  uint32_t transmit(Packet** packets, uint32_t count, CounterRow&) override {
    for (uint32_t i = 0; i < count; ++i) release(packets[i]);
    return count;
  }

 private:
  Bytes frame_;
  uint16_t flags_;
};

}  // namespace

TEST("output: a checksum open inside a container's VXLAN is finished before ours goes around it") {
  const Bytes outer =
      hex("02420a000003 02420a000002 0800 4500 0056 0001 4000 4011 2693 0a000002 0a000003 c000 12b5 0042 0000"
          "0800000000000100");
  Bytes inner = udp_frame(mac(9), mac(8), 8, 9, 52);
  const size_t start = outer.size() + 34, field = start + 6;
  // The pseudo-header's sum: 10.0.0.8, 10.0.0.9, protocol 17, length 18.
  const uint16_t sum = 0x0a00 + 8 + 0x0a00 + 9 + 17 + 18;
  inner[40] = static_cast<uint8_t>(sum >> 8);
  inner[41] = static_cast<uint8_t>(sum);
  const Bytes frame = join({outer, inner});

  Lab lab;
  const uint16_t wire = lab.port();
  const uint16_t container =
      lab.dataplane.add_port(std::make_unique<OpenPort>(frame, kPartialChecksum | kInnerOffload), 65535);
  UnderlayOptions u;
  u.datagrams = true;
  u.port = wire;
  u.udp_port = 4789;
  u.mtu = 65535;
  const uint8_t here[4] = {192, 168, 77, 1}, there[4] = {192, 168, 77, 2};
  u.local = IpAddress::v4(here);
  BridgeOptions options = Lab::plain();
  options.underlay = lab.dataplane.add_underlay(u);
  options.domains = {{kNoVlan, 4097}};
  const uint16_t domain = lab.dataplane.domain_of(lab.bridge({container}, options), kNoVlan);
  lab.dataplane.add_vtep(domain, IpAddress::v4(there), true);
  lab.run();

  const std::vector<Bytes> out = lab.drain(wire);
  CHECK_EQ(out.size(), 1u);
  const size_t ours = 8;
  Bytes expected = frame;
  const uint16_t right = ones_complement(frame, start, frame.size());
  expected[field] = static_cast<uint8_t>(right >> 8);
  expected[field + 1] = static_cast<uint8_t>(right);
  CHECK(out.size() == 1 && Bytes(out[0].begin() + ours, out[0].end()) == expected);
}
