// Making the sockets: what happens once, before there is a port.
#include <linux/filter.h>
#include <netinet/udp.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>

#include "net/link_message.h"
#include "port/udp.h"
#include "port/udp_setup.h"

namespace overlane {

namespace {

constexpr int kErrorRoom = 64 << 10;  // bytes of error queue, which SO_RCVBUF limits
constexpr uint32_t kMaxTries = 256;   // at finding a free source port

struct Opening {
  const UdpPort::Options& options;
  uint32_t workers;
  uint32_t scope = 0;

  bool steers() const { return options.steer_by_source && workers > 1; }
  bool v4() const { return options.local.is_v4(); }
  std::string name() const { return "UDP port " + std::to_string(options.udp_port) + " of " + to_text(options.local); }
};

NetResult make_socket(const Opening& opening, int& fd) {
  fd = socket(opening.v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return net_error(errno, "open a UDP socket");
  if (!opening.v4() && !set_option(fd, SOL_IPV6, IPV6_V6ONLY, kOn)) return net_error(errno, "set IPV6_V6ONLY");
  return {};
}

bool bind_to(int fd, const Opening& opening, uint16_t port) {
  const SocketAddress address = socket_address(opening.options.local, port, opening.scope);
  return bind(fd, &address.any, address.length) == 0;
}

NetResult bind_error(int error, const Opening& opening) {
  if (error == EADDRINUSE) {
    const char* holders =
        opening.options.trains
            ? " is in use: by another overlane, or by an IPsec daemon (see ss -lunp); end it, or give the underlay "
              "another address"
            : " is in use: by another overlane, or by a vxlan device of the kernel (see ss -lun and ip -d link show "
              "type vxlan); end it, or choose another port";
    return {"ERR_OVERLANE_BUSY", opening.name() + holders};
  }
  return net_error(error, "bind to " + opening.name());
}

// The sockets that share the port have one program, and are numbered as they were bound. The source address is what a
// forger cannot choose, as keys are derived from it: ports he can, and SPIs that the kernel puts into one train.
NetResult steer_by_source(int fd, const Opening& opening) {
  sock_filter by_source[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, source_in_filter(opening.v4())},
                             {BPF_ALU | BPF_MOD | BPF_K, 0, 0, opening.workers},
                             {BPF_RET | BPF_A, 0, 0, 0}};
  const sock_fprog program{3, by_source};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0) return {};
  NetResult result = net_error(errno, "have the kernel steer ESP datagrams to workers (SO_ATTACH_REUSEPORT_CBPF)");
  result.message += "; use one worker";
  return result;
}

NetResult open_receiver(const Opening& opening, bool shared, int& fd) {
  const NetResult result = make_socket(opening, fd);
  if (!result) return result;
  if (shared && !set_option(fd, SOL_SOCKET, SO_REUSEPORT, kOn)) return net_error(errno, "set SO_REUSEPORT");
  const bool tos =
      opening.v4() ? set_option(fd, SOL_IP, IP_RECVTOS, kOn) : set_option(fd, SOL_IPV6, IPV6_RECVTCLASS, kOn);
  if (!tos) return net_error(errno, "have the kernel tell the ECN bits of datagrams");
  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, opening.options.receive_buffer);
  // Not in every kernel, and not needed.
  set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, kOn);
  if (opening.options.gro) set_option(fd, SOL_UDP, UDP_GRO, kOn);
  return bind_to(fd, opening, opening.options.udp_port) ? NetResult{} : bind_error(errno, opening);
}

NetResult bind_to_random(int fd, const Opening& opening) {
  for (uint32_t i = 0; i < kMaxTries; ++i) {
    uint16_t random;
    if (getrandom(&random, sizeof random, 0) != sizeof random) return net_error(errno, "get random bytes");
    if (bind_to(fd, opening, vxlan::kSourcePortBase | (random & vxlan::kSourcePortMask))) return {};
    if (errno != EADDRINUSE) return bind_error(errno, opening);
  }
  return {"ERR_OVERLANE_BUSY", "no UDP port from 49152 to 65535 is free at " + to_text(opening.options.local) +
                                   ": end the programs that hold them (see ss -lun)"};
}

NetResult open_sender(const Opening& opening, int& fd) {
  const NetResult result = make_socket(opening, fd);
  if (!result) return result;
  // Nothing is received here; what comes anyhow must not take the room of the error queue.
  sock_filter nothing[] = {{BPF_RET | BPF_K, 0, 0, 0}};
  const sock_fprog filter{1, nothing};
  const bool set_up = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0 &&
                      set_option(fd, SOL_SOCKET, SO_RCVBUF, kErrorRoom) &&
                      set_sending(fd, opening.v4(), opening.options.ttl);
  if (!set_up) return net_error(errno, "set up a UDP socket");
  set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, opening.options.send_buffer);
  return bind_to_random(fd, opening);
}

NetResult open_sockets(const Opening& opening, UdpSockets& sockets) {
  NetResult result = open_receiver(opening, opening.workers > 1, sockets.receiver);
  sockets.senders.assign(opening.options.source_ports, -1);
  for (uint32_t i = 0; result && i < opening.options.source_ports; ++i) {
    result = open_sender(opening, sockets.senders[i]);
  }
  return result;
}

// SO_REUSEPORT would share the port with any program of the same user that sets it too.
NetResult check_free(const Opening& opening) {
  UdpSockets probe;
  return open_receiver(opening, false, probe.receiver);
}

NetResult open_all(Opening& opening, std::vector<UdpSockets>& all, uint32_t& mtu) {
  mtu = opening.options.mtu;
  NetResult result = find_local(opening.options.local, opening.options.netns, mtu, opening.scope);
  if (result && opening.workers > 1) result = check_free(opening);
  for (uint32_t i = 0; result && i < opening.workers; ++i) {
    result = open_sockets(opening, all[i]);
    if (result && i == 0 && opening.steers()) result = steer_by_source(all[0].receiver, opening);
  }
  if (result && opening.steers()) {
    for (const UdpSockets& sockets : all) discard_received(sockets.receiver);  // came before all of them were there
  }
  return result;
}

}  // namespace

NetResult open_udp(const UdpPort::Options& options, uint32_t workers, std::vector<std::unique_ptr<Port>>& ports,
                   uint32_t& mtu) {
  ports.clear();
  const uint32_t senders = options.source_ports;
  if (senders == 0 || senders > UdpPort::kMaxSenders || (senders & (senders - 1)) != 0) {
    return {"ERR_OVERLANE_OPTION", "source ports are a power of two from 1 to " + std::to_string(UdpPort::kMaxSenders) +
                                       ", not " + std::to_string(senders)};
  }
  Opening opening{options, workers};
  std::vector<UdpSockets> all(workers);
  const NetResult result = in_namespace(options.netns, [&] { return open_all(opening, all, mtu); });
  if (!result) return result;
  for (UdpSockets& sockets : all) {
    ports.push_back(std::make_unique<UdpPort>(options, std::move(sockets), mtu, opening.scope));
  }
  return {};
}

}  // namespace overlane
