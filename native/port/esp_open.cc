// Making the sockets: what happens once, before there is a port.
#include <linux/filter.h>
#include <netinet/in.h>

#include <cerrno>

#include "net/link_message.h"
#include "port/esp.h"
#include "port/udp_setup.h"
#include "wire/ipv4.h"

namespace overlane {

namespace {

struct Opening {
  const EspPort::Options& options;
  uint32_t workers;
  uint32_t scope = 0;

  bool v4() const { return options.local.is_v4(); }
};

// Every raw socket gets a copy of every packet: a peer's are for one of them, so that they keep their order.
bool take_own_peers(int fd, const Opening& opening, uint32_t worker) {
  sock_filter own[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, source_in_filter(opening.v4())},
      {BPF_ALU | BPF_MOD | BPF_K, 0, 0, opening.workers},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, worker},
      {BPF_RET | BPF_K, 0, 0, UINT32_MAX},
      {BPF_RET | BPF_K, 0, 0, 0},
  };
  const sock_fprog filter{sizeof own / sizeof *own, own};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
}

NetResult open_socket(const Opening& opening, uint32_t worker, EspSocket& made) {
  const EspPort::Options& options = opening.options;
  made.fd = socket(opening.v4() ? AF_INET : AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, ip_protocol::kEsp);
  const int fd = made.fd;
  if (fd < 0) return net_error(errno, "open a raw socket for ESP (IP protocol 50)", "CAP_NET_RAW");
  if (opening.workers > 1 && !take_own_peers(fd, opening, worker)) {
    NetResult result = net_error(errno, "have the kernel sort ESP packets by worker (SO_ATTACH_FILTER)");
    result.message += "; use one worker";
    return result;
  }
  if (!set_sending(fd, opening.v4(), options.ttl) ||
      (!opening.v4() && !set_option(fd, SOL_IPV6, IPV6_RECVTCLASS, kOn))) {
    return net_error(errno, "set up a raw socket");
  }
  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer);
  set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, options.send_buffer);
  set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, kOn);  // not in every kernel, and not needed
  const SocketAddress address = socket_address(options.local, 0, opening.scope);
  if (bind(fd, &address.any, address.length) != 0) {
    return net_error(errno, "bind a raw socket to " + to_text(options.local));
  }
  discard_received(fd);  // a raw socket receives from when it is made
  return {};
}

}  // namespace

NetResult open_esp(const EspPort::Options& options, uint32_t workers, std::vector<std::unique_ptr<Port>>& ports,
                   uint32_t& mtu) {
  ports.clear();
  Opening opening{options, workers};
  std::vector<EspSocket> all(workers);
  const NetResult result = in_namespace(options.netns, [&] {
    mtu = options.mtu;
    NetResult found = find_local(options.local, options.netns, mtu, opening.scope);
    for (uint32_t i = 0; found && i < workers; ++i) found = open_socket(opening, i, all[i]);
    return found;
  });
  if (!result) return result;
  for (uint32_t i = 0; i < workers; ++i) {
    ports.push_back(std::make_unique<EspPort>(options, std::move(all[i]), mtu, opening.scope, i == 0));
  }
  return {};
}

}  // namespace overlane
