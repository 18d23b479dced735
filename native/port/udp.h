// udp port: an underlay made of the kernel's UDP sockets. Packets are UDP payloads, a VXLAN header and a frame, with
// the other end in their headroom (core/datagram.h); what packet->headers say is of the frame. Super-frames go out as
// one system call (UDP_SEGMENT), and trains that the kernel put together (UDP_GRO) come in as super-frames.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "core/datagram.h"
#include "net/netns.h"
#include "port/port.h"
#include "port/udp_address.h"
#include "port/udp_train.h"
#include "wire/vxlan.h"

namespace overlane {

// What a port is made of; closes it.
struct UdpSockets {
  int receiver = -1;
  std::vector<int> senders;  // a power of two of them

  UdpSockets() = default;
  UdpSockets(UdpSockets&& other) noexcept { swap(other); }
  UdpSockets& operator=(UdpSockets&& other) noexcept { return swap(other), *this; }
  ~UdpSockets();
  void swap(UdpSockets& other) {
    std::swap(receiver, other.receiver);
    senders.swap(other.senders);
  }
};

class UdpPort final : public Port {
 public:
  struct Options {
    std::string netns;  // path; empty: the caller's namespace
    IpAddress local;    // of an interface there
    uint16_t udp_port = vxlan::kPort;
    uint8_t ttl = 64;                    // or hop limit
    uint32_t source_ports = 4;           // sending sockets a worker: 1 to kMaxSenders, a power of two
    uint32_t mtu = 0;                    // bytes of outer IP packet; 0: that of the interface
    uint32_t receive_buffer = 8u << 20;  // bytes; without CAP_NET_ADMIN at most net.core.rmem_max
    uint32_t send_buffer = 8u << 20;     // of each sending socket; net.core.wmem_max
    bool gso = true;                     // UDP_SEGMENT
    bool gro = true;                     // UDP_GRO
  };
  static constexpr uint32_t kMaxSenders = 64;

  // mtu: as open_udp() found it. scope: index of the interface, for link-local addresses.
  UdpPort(const Options& options, UdpSockets sockets, uint32_t mtu, uint32_t scope);
  ~UdpPort() override;
  UdpPort(const UdpPort&) = delete;
  UdpPort& operator=(const UdpPort&) = delete;

  Nanos next_due() override { return kNow; }
  uint32_t receive(Packet** packets, uint32_t max, Nanos now, Nanos until, Pools& pools, CounterRow& row) override;
  uint32_t transmit(Packet** packets, uint32_t count, CounterRow& row) override;
  uint8_t offloads() const override { return kTakesPartialChecksum | kTakesTso | kTakesUso; }
  std::vector<Descriptor> descriptors() const override;
  // Reads what ICMP said about our datagrams: `mtu` events.
  void attend(int fd, Nanos now) override;
  // Follows the MTU of the interface, unless the options gave one.
  void link_changed(const LinkInfo& link) override;
  std::string error() const override { return error_; }

  // Whether trains still go out by UDP_SEGMENT: no longer once the kernel refused one that it sent one by one.
  bool segments() const { return gso_; }

 private:
  static constexpr uint32_t kPrefix = sizeof(Vxlan);
  // Datagrams or trains a read. Over veth, 1 costs a datagram that comes alone half as much again; 16 and 32 gain
  // nothing beyond the noise, and each takes a large buffer.
  static constexpr uint32_t kBatch = 8;
  struct Slot {
    Packet* small;
    Packet* large;
    iovec parts[2];
    SocketAddress from;
    alignas(cmsghdr) uint8_t control[128];
  };
  struct Control {
    uint32_t stride = 0;
    uint8_t tos = 0;
  };
  struct KnownMtu {
    IpAddress peer;
    uint32_t value = 0;
    Nanos time = 0;
  };

  void set_mtu(uint32_t mtu);

  // udp_receive.cc
  uint32_t read_batch(uint32_t wanted, Nanos now, Pools& pools, CounterRow& row);
  uint32_t fill_slots(uint32_t wanted, Pools& pools);
  Control read_control(msghdr& header, CounterRow& row);
  Packet* take_slot(uint32_t i, Nanos now, Control& control, CounterRow& row);
  void split(Packet* train, uint32_t stride, Pools& pools, CounterRow& row);

  // udp_send.cc
  bool load_packet(Packet* packet, CounterRow& row);
  bool load_super_frame(Packet* packet, const Datagram& datagram, CounterRow& row);
  UdpTrain& open_train(const Datagram& datagram, uint32_t size, CounterRow& row);
  void send(uint32_t sender, CounterRow& row);
  int send_whole(int fd, UdpTrain& train);
  bool send_each(int fd, UdpTrain& train, CounterRow& row);
  bool should_retry(int fd, int error, uint32_t attempt);
  Counter reason_of(int error, const IpAddress& peer);
  static void lose_datagrams(uint32_t count, uint64_t bytes, Counter reason, CounterRow& row);

  // udp.cc
  bool drain_errors(int fd, Nanos now);
  void report_mtu(const IpAddress& peer, uint32_t value, Nanos now);
  void push(Event event, Nanos now);
  void count_lost_events(CounterRow& row);
  void fail(const std::string& why, Nanos now);

  Options options_;
  UdpSockets sockets_;
  uint32_t scope_;
  uint32_t headers_;      // bytes of outer IP and UDP header
  uint32_t longest_ = 0;  // bytes of datagram that the MTU allows
  bool gso_;
  Nanos now_ = 0;                       // of the burst that is sent
  std::unique_ptr<UdpTrain[]> trains_;  // one a sender, so that flows do not break up each other's
  std::unique_ptr<mmsghdr[]> each_;

  std::unique_ptr<Slot[]> slots_;
  mmsghdr messages_[kBatch];
  uint32_t next_ = 0;         // message to take up
  uint32_t filled_ = 0;       // messages that were read
  Packet* split_[kMaxBurst];  // of a train that was taken apart
  uint32_t split_next_ = 0;
  uint32_t split_count_ = 0;
  uint32_t kernel_drops_ = 0;  // as SO_RXQ_OVFL counts

  KnownMtu known_mtus_[16];  // the last that were reported
  uint32_t oldest_mtu_ = 0;
  uint64_t lost_events_ = 0;  // not counted yet
  std::string error_;
};

// Makes a port for each of `workers`; `mtu`: of the outer IP packet. After a failure nothing is left.
// Codes: ERR_OVERLANE_MISSING (namespace, local address), _BUSY (the UDP port), _PERMISSION, _OPTION, _SYSTEM.
NetResult open_udp(const UdpPort::Options& options, uint32_t workers, std::vector<std::unique_ptr<Port>>& ports,
                   uint32_t& mtu);

}  // namespace overlane
