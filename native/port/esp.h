// esp port: an underlay made of raw sockets of IP protocol 50, for a peer that expects ESP without UDP around it, on a
// machine whose kernel leaves ESP alone. Packets begin with the SPI, the other end is in their headroom
// (core/datagram.h). While it is open the kernel sends no ICMP "protocol unreachable" to the peers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/netns.h"
#include "port/udp_control.h"
#include "port/udp_socket.h"

namespace overlane {

// A raw socket; closes it.
class EspSocket {
 public:
  EspSocket() = default;
  EspSocket(EspSocket&& other) noexcept { std::swap(fd, other.fd); }
  EspSocket& operator=(EspSocket&& other) noexcept { return std::swap(fd, other.fd), *this; }
  ~EspSocket();

  int fd = -1;
};

class EspPort final : public SocketPort {
 public:
  struct Options {
    std::string netns;                   // path; empty: the caller's namespace
    IpAddress local;                     // of an interface there
    uint8_t ttl = 64;                    // or hop limit
    uint32_t mtu = 0;                    // bytes of outer IP packet; 0: that of the interface
    uint32_t receive_buffer = 8u << 20;  // bytes; without CAP_NET_ADMIN at most net.core.rmem_max
    uint32_t send_buffer = 8u << 20;     // likewise net.core.wmem_max
  };

  // mtu: as open_esp() found it. scope: index of the interface, for link-local addresses. first: of the ports that
  // share an address; all of them hear the same ICMP, and this one tells of it.
  EspPort(const Options& options, EspSocket socket, uint32_t mtu, uint32_t scope, bool first);

  uint32_t receive(Packet** packets, uint32_t max, Nanos now, Nanos until, Pools& pools, CounterRow& row) override;
  // A packet with a stride is sent as the datagrams that it holds.
  uint32_t transmit(Packet** packets, uint32_t count, CounterRow& row) override;
  std::vector<Descriptor> descriptors() const override { return {{socket_.fd, true}}; }

 private:
  static constexpr uint32_t kMaxMessages = 64;  // a system call
  struct Outgoing {
    SocketAddress to;
    iovec part;
    SendControl control;
  };

  bool load_packet(Packet* packet, CounterRow& row);
  void add_message(const Datagram& datagram, uint8_t* data, uint32_t size);
  void send(CounterRow& row);

  bool v4_;
  EspSocket socket_;
  uint32_t scope_;
  uint32_t loaded_ = 0;  // messages to send
  std::unique_ptr<Outgoing[]> outgoing_;
  std::unique_ptr<mmsghdr[]> messages_;
};

// Takes the IPv4 header off, which a raw socket delivers, and puts its TOS into `datagram`. False: no whole IPv4
// packet.
bool strip_ipv4(Packet& packet, Datagram& datagram);

// Makes a port for each of `workers`: each peer is received by one of them. `mtu`: of the outer IP packet. After a
// failure nothing is left. Codes: ERR_OVERLANE_MISSING (namespace, local address), _PERMISSION (CAP_NET_RAW), _SYSTEM.
NetResult open_esp(const EspPort::Options& options, uint32_t workers, std::vector<std::unique_ptr<Port>>& ports,
                   uint32_t& mtu);

}  // namespace overlane
