// The packet port against a raw socket on the other end of a veth pair: frames, counters, errors.
#include <linux/capability.h>
#include <sys/syscall.h>

#include <thread>

#include "test/veth.h"

namespace overlane {
namespace {

using namespace test;

Bytes numbered(uint32_t i, size_t size = 64) {
  Bytes frame = test::udp_frame(test::mac(2), test::mac(3), 3, 2, size);
  store_be32(frame.data() + frame.size() - 4, i);
  return frame;
}

Bytes tagged(Bytes frame, const char* tag) {
  const Bytes bytes = test::hex(tag);
  frame.insert(frame.begin() + 12, bytes.begin(), bytes.end());
  return frame;
}

std::vector<Bytes> shapes() {
  const Bytes plain = numbered(1);
  return {plain,
          numbered(2, 1514),
          test::arp_request(1, 2),
          test::hex("ffffffffffff 02420a000003 88b5"),  // an Ethernet header and nothing else
          tagged(plain, "8100 0064"),
          tagged(plain, "8100 e000"),  // priority only
          tagged(plain, "88a8 0fa0"),
          tagged(plain, "88a8 0065 8100 0066"),
          tagged(numbered(3, 1514), "8100 0fff"),
          test::hex("0180c2000000 02420a000003 0026 424203")};
}

TEST("packet port: frames and their tags cross byte for byte, both ways") {
  if (!test::have_root("packet port: frames cross")) return;
  Veth space("packet-cross");
  PacketPorts port(PacketPorts::on(space, "p0"));
  if (!port.result) return;
  Raw raw(space, "p1");
  for (const Bytes& frame : shapes()) {
    CHECK(raw.send(frame));
    const auto got = port.receive_bytes();
    CHECK_EQ(got.size(), 1u);
    if (got.size() == 1) CHECK(got[0] == frame);
    CHECK_EQ(port.send({frame}), 1u);
    CHECK(raw.receive() == frame);
  }
  CHECK_EQ(port.receive().size(), 0u);  // not its own
  CHECK_EQ(port[0].next_due(), kNever);
  CHECK(port.all_released());
}

TEST("packet port: bursts keep their order") {
  if (!test::have_root("packet port: order")) return;
  Veth space("packet-order");
  PacketPorts port(PacketPorts::on(space, "p0"));
  if (!port.result) return;
  Raw raw(space, "p1");
  std::vector<Bytes> frames;
  for (uint32_t i = 0; i < 200; ++i) frames.push_back(numbered(i, 60 + i));
  for (const Bytes& frame : frames) CHECK(raw.send(frame));
  CHECK_EQ(port[0].next_due(), Port::kNow);
  auto got = port.receive_bytes(0, 150);
  CHECK_EQ(got.size(), 150u);
  for (const Bytes& frame : port.receive_bytes()) got.push_back(frame);
  CHECK(got == frames);
  CHECK_EQ(port.send(frames), 200u);
  for (const Bytes& frame : frames) CHECK(raw.receive() == frame);
}

TEST("packet port: without buffers frames wait, without slots the kernel drops and says so") {
  if (!test::have_root("packet port: full")) return;
  Veth space("packet-full");
  auto options = PacketPorts::on(space, "p0");
  options.ring_bytes = 65536;  // 32 slots
  PacketPorts port(options);
  if (!port.result) return;
  Raw raw(space, "p1");
  std::vector<Packet*> hogged;
  while (Packet* packet = port.pools.take(64)) hogged.push_back(packet);
  for (int i = 0; i < 4; ++i) release(hogged[i]);
  for (uint32_t i = 0; i < 100; ++i) CHECK(raw.send(numbered(i)));
  auto first = port.receive();
  CHECK_EQ(first.size(), 4u);
  CHECK_EQ(port.count(Counter::rx_pool_empty), 1u);
  for (Packet* packet : first) release(packet);
  for (size_t i = 4; i < hogged.size(); ++i) release(hogged[i]);
  const auto rest = port.receive_bytes();
  CHECK_EQ(rest.size(), 28u);
  if (!rest.empty()) CHECK(rest[0] == numbered(4));
  CHECK(raw.send(numbered(100)));
  CHECK_EQ(port.receive_bytes().size(), 1u);
  CHECK_EQ(port.count(Counter::rx_kernel_dropped), 68u);
  CHECK(port.all_released());
}

TEST("packet port: frames longer than a slot come whole, in order, or are counted") {
  if (!test::have_root("packet port: long frames")) return;
  Veth space("packet-long");
  auto options = PacketPorts::on(space, "p0");
  options.ring_bytes = 1 << 20;
  PacketPorts port(options);
  if (!port.result) return;
  CHECK_EQ(space.ip("link set p0 mtu 9000") | space.ip("link set p1 mtu 9000"), 0);
  Raw raw(space, "p1");
  const std::vector<Bytes> frames = {numbered(1), numbered(2, 9014), tagged(numbered(3, 9000), "8100 0064"),
                                     numbered(4), numbered(5, 5000)};
  for (const Bytes& frame : frames) CHECK(raw.send(frame));
  CHECK(port.receive_bytes() == frames);
  CHECK_EQ(port.send(frames), frames.size());
  for (const Bytes& frame : frames) CHECK(raw.receive() == frame);

  for (uint32_t i = 0; i < 400; ++i) CHECK(raw.send(numbered(i, 9000)));
  size_t whole = 0;
  for (auto got = port.receive_bytes(); !got.empty(); got = port.receive_bytes()) whole += got.size();
  CHECK(whole > 50);
  CHECK(whole < 400);
  CHECK_EQ(port.count(Counter::rx_kernel_dropped), 400 - whole);
  CHECK(raw.send(numbered(6, 9000)));
  CHECK(port.receive_bytes() == std::vector<Bytes>{numbered(6, 9000)});
  CHECK(port.all_released());
}

TEST("packet port: what cannot be sent is counted by its reason") {
  if (!test::have_root("packet port: refusals")) return;
  Veth space("packet-refuse");
  PacketPorts port(PacketPorts::on(space, "p0"));
  if (!port.result) return;
  Raw raw(space, "p1");
  CHECK_EQ(port.send({numbered(1), numbered(2, 1600), numbered(3)}), 3u);
  CHECK_EQ(port.count(Counter::drop_mtu), 1u);
  CHECK(raw.receive() == numbered(1));
  CHECK(raw.receive() == numbered(3));

  auto packets = [&] {
    std::vector<Packet*> made = {port.pools.take(64), port.pools.take(64)};
    for (Packet* packet : made) {
      const Bytes frame = test::arp_request(1, 2);
      std::copy(frame.begin(), frame.end(), packet->data);
      packet->length = static_cast<uint32_t>(frame.size());
      packet->headers = parse_frame(packet->data, packet->length);
    }
    made[0]->flags = kPartialChecksum;  // of what?
    return made;
  }();
  CHECK_EQ(port.send(packets), 2u);
  CHECK_EQ(port.count(Counter::drop_offload), 1u);
  CHECK(raw.receive() == test::arp_request(1, 2));

  CHECK_EQ(space.ip("link set p0 down"), 0);
  CHECK_EQ(port.send({numbered(1), numbered(2)}), 2u);
  CHECK_EQ(port.count(Counter::drop_link_down), 2u);
  CHECK_EQ(port.count(Counter::tx_packets), 3u);
  CHECK_EQ(port[0].error(), "");
  CHECK_EQ(space.ip("link set p0 up"), 0);
  space.wait_for_carrier("p0");
  CHECK_EQ(port.send({numbered(7)}), 1u);
  CHECK(raw.receive() == numbered(7));
  CHECK(raw.send(numbered(8)));
  CHECK_EQ(port.receive_bytes().size(), 1u);
  CHECK(port.all_released());
}

NetResult open_one(const AfPacketPort::Options& options, uint32_t workers = 1) {
  std::vector<std::unique_ptr<Port>> ports;
  LinkDetails link;
  NetResult result = AfPacketPort::open(options, workers, 0, ports, link);
  CHECK_EQ(ports.size(), result ? workers : 0);
  return result;
}

bool says(const NetResult& result, const char* code, const char* part) {
  if (!result && std::string(result.code) == code && result.message.find(part) != std::string::npos) return true;
  std::cerr << (result ? "no error" : result.code) << ": " << result.message << '\n';
  return false;
}

TEST("packet port: errors say what to do") {
  if (!test::have_root("packet port: errors")) return;
  Veth space("packet-errors");
  CHECK(says(open_one(PacketPorts::on(space, "eth7")), "ERR_OVERLANE_MISSING", "there are: lo, p1, p0"));
  CHECK_EQ(space.ip("tuntap add dev l3 mode tun"), 0);
  CHECK(says(open_one(PacketPorts::on(space, "l3")), "ERR_OVERLANE_OPTION", "no Ethernet frames"));
  auto options = PacketPorts::on(space, "p0");
  options.queues = 3;
  CHECK(says(open_one(options, 2), "ERR_OVERLANE_OPTION", "one for each worker (2)"));
  NetResult denied;
  std::thread([&] {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[2]{};
    CHECK_EQ(syscall(SYS_capset, &header, none), 0);
    AfPacketPort::Options here;
    here.interface = "lo";
    denied = open_one(here);
  }).join();
  CHECK(says(denied, "ERR_OVERLANE_PERMISSION", "packet port on lo"));
  CHECK(says(denied, "ERR_OVERLANE_PERMISSION", "CAP_NET_RAW"));
}

}  // namespace
}  // namespace overlane
