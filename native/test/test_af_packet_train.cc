// Trains of VXLAN datagrams through a packet port: whole, cut by the kernel, and cut here where the kernel takes none.
#include <sys/syscall.h>

#include <cerrno>

#include "core/datagram.h"
#include "port/virtio_header.h"
#include "test/offload_frames.h"
#include "test/veth.h"

namespace {

bool refuses_uso = false;
uint32_t refused = 0;

}  // namespace

// As a kernel before 6.2, when told so: EINVAL for the first message that is a super-frame of UDP.
extern "C" int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  unsigned fine = 0;
  for (; refuses_uso && fine < count; ++fine) {
    const auto* header = static_cast<const overlane::VirtioHeader*>(messages[fine].msg_hdr.msg_iov[0].iov_base);
    if (messages[fine].msg_hdr.msg_iov[0].iov_len != sizeof *header) continue;
    if (header->gso_type == overlane::virtio::kGsoUdp) break;
  }
  if (refuses_uso && fine < count) {
    ++refused;
    if (fine == 0) return errno = EINVAL, -1;
    count = fine;
  }
  return static_cast<int>(syscall(SYS_sendmmsg, fd, messages, count, flags));
}

namespace overlane {
namespace {

using namespace test;

constexpr uint16_t kSegment = 1000;
const Flow kOuter[] = {{.ipv6 = false, .tcp = false}, {.ipv6 = true, .tcp = false}};

// As vxlan_train makes it: the UDP payload is all that the port does not look at.
Packet* train_of(PacketPorts& port, const Flow& outer, size_t payload) {
  Packet* packet = packet_of(port.pools, with_partial_checksum(outer, frame_of(outer, payload_bytes(payload))),
                             kSegment, kPartialChecksum | kTrain);
  return packet;
}

std::vector<Bytes> expected(const Flow& outer, size_t payload) {
  return stream(outer, payload_bytes(payload), kSegment);
}

void check_counts(const PacketPorts& port, const Flow& outer, size_t payload, uint64_t others) {
  const auto datagrams = expected(outer, payload);
  CHECK_EQ(port.count(Counter::tx_packets), datagrams.size() + others);
  CHECK_EQ(port.count(Counter::segmented), datagrams.size() - 1);
  const uint64_t more = header_of(outer) * (datagrams.size() - 1);  // what the caller does not know of
  CHECK_EQ(port.count(Counter::tx_bytes), more);
  CHECK(port.all_released());
}

TEST("packet port: a train leaves whole, and counts as its datagrams") {
  if (!have_root("packet port: a train")) return;
  for (const Flow& outer : kOuter) {
    Veth space("packet-train");
    PacketPorts port(PacketPorts::on(space, "p0"));
    if (!port.result) return;
    CHECK(port[0].offloads() & kTakesTrains);
    Raw raw(space, "p1");
    const Bytes frame = udp_frame(mac(2), mac(3), 3, 2);
    std::vector<Packet*> packets = {packet_of(port.pools, frame), train_of(port, outer, 10'300),
                                    packet_of(port.pools, frame)};
    const Bytes whole = bytes_of(*packets[1]);
    CHECK_EQ(port.send(packets), 3u);
    CHECK(raw.receive() == frame);
    CHECK(raw.receive() == whole);
    CHECK(raw.receive() == frame);
    check_counts(port, outer, 10'300, 2);
  }
}

TEST("packet port: a train that the kernel has to cut arrives as its datagrams, checksums right") {
  if (!have_root("packet port: a train cut")) return;
  for (const Flow& outer : kOuter) {
    Veth space("packet-train");
    if (space.run("ethtool -K p0 tx off >/dev/null 2>&1") != 0) {
      std::cout << "skip  packet port: a train cut (needs ethtool: apt-get install ethtool)\n";
      return;
    }
    PacketPorts port(PacketPorts::on(space, "p0"));
    if (!port.result) return;
    Raw raw(space, "p1");
    std::vector<Packet*> packets = {train_of(port, outer, 10'300)};
    CHECK_EQ(port.send(packets), 1u);
    for (const Bytes& datagram : expected(outer, 10'300)) CHECK(raw.receive() == datagram);
    check_counts(port, outer, 10'300, 0);
  }
}

TEST("packet port: where the kernel refuses trains their datagrams go out one by one, the first one's too") {
  if (!have_root("packet port: a train refused")) return;
  for (const Flow& outer : kOuter) {
    Veth space("packet-train");
    PacketPorts port(PacketPorts::on(space, "p0"));
    if (!port.result) return;
    Raw raw(space, "p1");
    const Bytes frame = udp_frame(mac(2), mac(3), 3, 2);
    std::vector<Packet*> packets = {packet_of(port.pools, frame), train_of(port, outer, 10'300),
                                    packet_of(port.pools, frame)};
    refused = 0;
    refuses_uso = true;
    CHECK_EQ(port.send(packets), 3u);
    CHECK_EQ(refused, 2u);  // as the end of what went before it, and alone
    CHECK(!(port[0].offloads() & (kTakesTrains | kTakesUso)));
    CHECK(port[0].offloads() & kTakesTso);
    CHECK(raw.receive() == frame);
    for (const Bytes& datagram : expected(outer, 10'300)) CHECK(raw.receive() == datagram);
    CHECK(raw.receive() == frame);
    check_counts(port, outer, 10'300, 2);
    // One that was made before that was known; more datagrams than a system call takes.
    packets = {train_of(port, outer, 64'900)};
    packets[0]->segment = 500;
    CHECK_EQ(port.send(packets), 1u);
    CHECK_EQ(refused, 2u);
    refuses_uso = false;
    for (const Bytes& datagram : stream(outer, payload_bytes(64'900), 500)) CHECK(raw.receive() == datagram);
    CHECK_EQ(port[0].error(), "");
    CHECK(port.all_released());
  }
}

TEST("packet port: datagrams of a train that are lost are counted one by one") {
  if (!have_root("packet port: a train lost")) return;
  const Flow& outer = kOuter[0];
  Veth space("packet-train");
  PacketPorts port(PacketPorts::on(space, "p0"));
  if (!port.result) return;
  CHECK_EQ(space.ip("link set p0 mtu 900"), 0);  // behind the stage's back
  Raw raw(space, "p1");
  refuses_uso = true;
  std::vector<Packet*> packets = {train_of(port, outer, 10'300)};
  CHECK_EQ(port.send(packets), 1u);
  CHECK_EQ(port.count(Counter::drop_mtu), 10u);
  CHECK(raw.receive() == expected(outer, 10'300).back());
  CHECK_EQ(space.ip("link set p0 down"), 0);
  packets = {train_of(port, outer, 10'300)};
  CHECK_EQ(port.send(packets), 1u);
  refuses_uso = false;
  CHECK_EQ(port.count(Counter::drop_link_down), 11u);
  packets = {train_of(port, outer, 10'300)};
  CHECK_EQ(port.send(packets), 1u);
  CHECK_EQ(port.count(Counter::tx_packets), 1u);
  CHECK_EQ(port.count(Counter::segmented), 10u + 10 + 10);
  CHECK_EQ(port[0].error(), "");
  CHECK(port.all_released());
}

}  // namespace
}  // namespace overlane
