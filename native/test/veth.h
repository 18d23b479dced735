// For the tests of packet ports: a veth pair p0-p1 in a namespace of its own, and a plain raw socket as the other side,
// which shares no code with the port.
#pragma once

#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <vector>

#include "port/af_packet.h"
#include "stage/parse.h"
#include "test/check.h"
#include "test/frames.h"
#include "test/root.h"

namespace overlane::test {

inline Nanos clock_now() {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Two ends of a cable without addresses: no traffic but the test's.
class Veth : public Namespace {
 public:
  explicit Veth(const std::string& name) : Namespace(name) {
    run("sysctl -qw net.ipv6.conf.default.disable_ipv6=1 net.ipv6.conf.all.disable_ipv6=1");
    plug();
  }
  void plug() const {
    CHECK_EQ(ip("link add p0 type veth peer name p1"), 0);
    CHECK_EQ(ip("link set p0 up") | ip("link set p1 up"), 0);
    wait_for_carrier("p0");
  }
  // Until then the kernel throws away what is sent.
  void wait_for_carrier(const std::string& interface) const {
    const std::string state = "/sys/class/net/" + interface + "/operstate";
    CHECK_EQ(run("timeout 5 sh -c 'until grep -q up " + state + "; do sleep 0.02; done'"), 0);
  }
  uint32_t index(const std::string& interface) const {
    return static_cast<uint32_t>(atoi(output("cat /sys/class/net/" + interface + "/ifindex").c_str()));
  }
};

class Raw {
 public:
  Raw(const Namespace& space, const char* interface) {
    in_namespace(space.path(), [&]() -> NetResult {
      fd_ = socket(AF_PACKET, SOCK_RAW, 0);
      sockaddr_ll address{};
      address.sll_family = AF_PACKET;
      address.sll_protocol = 0x0300;
      address.sll_ifindex = static_cast<int>(if_nametoindex(interface));
      CHECK_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
      const int one = 1;
      setsockopt(fd_, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one);
      setsockopt(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
      const int bytes = 8 << 20;
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
      return {};
    });
  }
  ~Raw() { close(fd_); }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;

  bool send(const Bytes& frame) const { return write(fd_, frame.data(), frame.size()) == ssize_t(frame.size()); }
  // The next frame, with the tag that the kernel took out; empty after a while without one.
  Bytes receive(int timeout_ms = 500) const {
    pollfd wait{fd_, POLLIN, 0};
    if (poll(&wait, 1, timeout_ms) <= 0) return {};
    Bytes frame(70000);
    alignas(cmsghdr) char control[64];
    iovec part{frame.data(), frame.size()};
    msghdr message{nullptr, 0, &part, 1, control, sizeof control, 0};
    const ssize_t n = recvmsg(fd_, &message, MSG_DONTWAIT);
    if (n < 0) return {};
    frame.resize(static_cast<size_t>(n));
    const cmsghdr* head = CMSG_FIRSTHDR(&message);
    const auto aux = load<tpacket_auxdata>(CMSG_DATA(head));
    if (!(aux.tp_status & TP_STATUS_VLAN_VALID)) return frame;
    uint8_t tag[4];
    store_be16(tag, aux.tp_vlan_tpid);
    store_be16(tag + 2, aux.tp_vlan_tci);
    frame.insert(frame.begin() + 12, tag, tag + 4);
    return frame;
  }

 private:
  int fd_ = -1;
};

// The ports of one interface, and what a worker does around them.
class PacketPorts {
 public:
  explicit PacketPorts(const AfPacketPort::Options& options, uint32_t workers = 1) : pools(1024, 64) {
    result = AfPacketPort::open(options, workers, 0, ports, link);
    CHECK_EQ(result.message, "");
  }
  static AfPacketPort::Options on(const Namespace& space, const char* interface) {
    AfPacketPort::Options options;
    options.netns = space.path();
    options.interface = interface;
    return options;
  }
  Port& operator[](size_t i) { return *ports[i]; }

  // What waits, up to `max` packets, each parsed; the caller releases them.
  std::vector<Packet*> receive(size_t worker = 0, uint32_t max = kMaxBurst) {
    std::vector<Packet*> packets(max);
    packets.resize(ports[worker]->receive(packets.data(), max, 1, 1, pools, row));
    for (Packet* packet : packets) {
      packet->headers = parse_frame(packet->data, packet->length);
      row.add(Counter::rx_packets);
    }
    return packets;
  }
  std::vector<Bytes> receive_bytes(size_t worker = 0, uint32_t max = kMaxBurst) {
    std::vector<Bytes> frames;
    for (Packet* packet : receive(worker, max)) {
      frames.emplace_back(packet->data, packet->data + packet->length);
      release(packet);
    }
    return frames;
  }
  // As the output stage does; returns how many were taken over.
  uint32_t send(const std::vector<Bytes>& frames, size_t worker = 0) {
    std::vector<Packet*> packets;
    for (const Bytes& frame : frames) {
      Packet* packet = pools.take(static_cast<uint32_t>(frame.size()));
      std::copy(frame.begin(), frame.end(), packet->data);
      packet->length = static_cast<uint32_t>(frame.size());
      packet->headers = parse_frame(packet->data, packet->length);
      packets.push_back(packet);
    }
    return send(packets, worker);
  }
  uint32_t send(std::vector<Packet*>& packets, size_t worker = 0) {
    const auto count = static_cast<uint32_t>(packets.size());
    const uint32_t taken = ports[worker]->transmit(packets.data(), count, row);
    for (uint32_t i = taken; i < count; ++i) release(packets[i]);
    row.add(ports[worker]->refusal(), count - taken);
    row.add(Counter::tx_packets, taken);
    return taken;
  }
  uint64_t count(Counter counter) const { return row.get(counter); }
  bool all_released() const {
    return pools.small().available() == pools.small().size() && pools.large().available() == pools.large().size();
  }

  Pools pools;
  CounterRow row;
  NetResult result;
  std::vector<std::unique_ptr<Port>> ports;
  LinkDetails link;
};

}  // namespace overlane::test
