// udp port: an underlay made of the kernel's UDP sockets. Packets are UDP payloads, a VXLAN header and a frame, with
// the other end in their headroom (core/datagram.h); what packet->headers say is of the frame. Super-frames go out as
// one system call (UDP_SEGMENT), and trains that the kernel put together (UDP_GRO) come in as super-frames. With
// `trains` the payloads are sealed ESP (RFC 3948), and nothing of them is looked at.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/netns.h"
#include "port/udp_socket.h"
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

class UdpPort final : public SocketPort {
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
    bool trains = false;                 // sealed: a train comes in, and may go out, as one packet with its stride
    bool steer_by_source = false;        // a peer is received by one worker, alone
  };
  static constexpr uint32_t kMaxSenders = 64;

  // mtu: as open_udp() found it. scope: index of the interface, for link-local addresses.
  UdpPort(const Options& options, UdpSockets sockets, uint32_t mtu, uint32_t scope);
  ~UdpPort() override;

  uint32_t receive(Packet** packets, uint32_t max, Nanos now, Nanos until, Pools& pools, CounterRow& row) override;
  uint32_t transmit(Packet** packets, uint32_t count, CounterRow& row) override;
  uint8_t offloads() const override { return options_.trains ? 0 : kTakesPartialChecksum | kTakesTso | kTakesUso; }
  std::vector<Descriptor> descriptors() const override;

  // Whether trains still go out by UDP_SEGMENT: no longer once the kernel refused one that it sent one by one.
  bool segments() const { return gso_; }

 private:
  static constexpr uint32_t kPrefix = sizeof(Vxlan);

  // udp_receive.cc
  void split(Packet* train, uint32_t stride, Pools& pools, CounterRow& row);
  uint32_t take_split(Packet** to, uint32_t room);

  // udp_send.cc
  bool load_packet(Packet* packet, CounterRow& row);
  bool load_super_frame(Packet* packet, const Datagram& datagram, CounterRow& row);
  bool load_sealed(Packet* packet, const Datagram& datagram, CounterRow& row);
  uint32_t sender_of(const Datagram& datagram) const { return datagram.flow & (sockets_.senders.size() - 1); }
  UdpTrain& open_train(const Datagram& datagram, uint32_t size, CounterRow& row);
  void send(uint32_t sender, CounterRow& row);
  int send_whole(int fd, UdpTrain& train);
  bool send_each(int fd, UdpTrain& train, CounterRow& row);

  Options options_;
  UdpSockets sockets_;
  uint32_t scope_;
  bool gso_;
  std::unique_ptr<UdpTrain[]> trains_;  // one a sender, so that flows do not break up each other's
  std::unique_ptr<mmsghdr[]> each_;

  Packet* split_[kMaxBurst];  // of a train that was taken apart
  uint32_t split_next_ = 0;
  uint32_t split_count_ = 0;
};

// Makes a port for each of `workers`; `mtu`: of the outer IP packet. After a failure nothing is left.
// Codes: ERR_OVERLANE_MISSING (namespace, local address), _BUSY (the UDP port), _PERMISSION, _OPTION, _SYSTEM.
NetResult open_udp(const UdpPort::Options& options, uint32_t workers, std::vector<std::unique_ptr<Port>>& ports,
                   uint32_t& mtu);

}  // namespace overlane
