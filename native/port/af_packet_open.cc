// Making the sockets of a packet port: what happens once, and when its interface comes back.
#include <fcntl.h>
#include <linux/filter.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "port/af_packet.h"

namespace overlane {

namespace {

constexpr uint16_t kEveryProtocol = 0x0300;  // ETH_P_ALL, big-endian
constexpr int kSendBuffer = 4 << 20;         // a few dozen super-frames

template <typename T>
bool set_option(int fd, int level, int name, const T& value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

// Beyond the system's limit if we may (CAP_NET_ADMIN), else up to it.
void set_buffer(int fd, int forced, int plain, int bytes) {
  if (!set_option(fd, SOL_SOCKET, forced, bytes)) set_option(fd, SOL_SOCKET, plain, bytes);
}

NetResult no_interface(const AfPacketPort::Options& options) {
  std::string names;
  if (struct if_nameindex* all = if_nameindex(); all != nullptr) {
    for (const auto* at = all; at->if_name != nullptr; ++at)
      names += (names.empty() ? "" : ", ") + std::string(at->if_name);
    if_freenameindex(all);
  }
  return {"ERR_OVERLANE_MISSING", "no interface " + options.interface + " in " +
                                      (options.netns.empty() ? "this network namespace" : options.netns) +
                                      "; there are: " + (names.empty() ? "none" : names)};
}

NetResult find_interface(const AfPacketPort::Options& options, LinkDetails& link) {
  const NetResult found = find_link(options.interface, link);
  return found || std::string(found.code) != "ERR_OVERLANE_MISSING" ? found : no_interface(options);
}

}  // namespace

AfPacketPort::AfPacketPort(const Options& options, bool receives, std::shared_ptr<Fanout> fanout)
    : options_(options), receives_(receives), fanout_(std::move(fanout)) {
  if (options.offload) offloads_ = kTakesPartialChecksum | kTakesTso | kTakesUso | kTakesTrains;
}

AfPacketPort::~AfPacketPort() {
  if (fd_ >= 0) close(fd_);
}

NetResult AfPacketPort::open(const Options& options, uint32_t workers, uint32_t owner,
                             std::vector<std::unique_ptr<Port>>& ports, LinkDetails& link) {
  ports.clear();
  if ((options.queues != 1 && options.queues != workers) || owner >= workers) {
    return {"ERR_OVERLANE_OPTION", "a packet port has 1 queue or one for each worker (" + std::to_string(workers) +
                                       "), not " + std::to_string(options.queues)};
  }
  const std::shared_ptr<Fanout> fanout = options.queues > 1 ? std::make_shared<Fanout>() : nullptr;
  const NetResult result = in_namespace(options.netns, [&] {
    NetResult opened = find_interface(options, link);
    for (uint32_t i = 0; opened && i < workers; ++i) {
      std::unique_ptr<AfPacketPort> port(new AfPacketPort(options, fanout || i == owner, fanout));
      opened = port->open_socket(link);
      ports.push_back(std::move(port));
    }
    return opened;
  });
  if (!result) ports.clear();
  return result;
}

NetResult AfPacketPort::open_socket(const LinkDetails& link) {
  // Protocol 0: nothing is received before bind(), least of all from other interfaces.
  fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0 && errno == EAFNOSUPPORT) {
    return {"ERR_OVERLANE_UNSUPPORTED", "this kernel has no AF_PACKET sockets; load them with: modprobe af_packet"};
  }
  if (fd_ < 0) return net_error(errno, "open a packet port on " + options_.interface, "CAP_NET_RAW");
  if (!set_option(fd_, SOL_PACKET, PACKET_VNET_HDR, 1)) {
    return net_error(errno, "ask for virtio-net headers on " + options_.interface, "CAP_NET_RAW");
  }
  // No PACKET_QDISC_BYPASS and no PACKET_TX_RING, both measured over veth: the first gains nothing there and takes the
  // queueing discipline away elsewhere; the second is no faster for small frames and 1.5 times slower for super-frames.
  set_buffer(fd_, SO_SNDBUFFORCE, SO_SNDBUF, kSendBuffer);
  NetResult result = receives_ ? open_ring(link) : NetResult{};
  return result ? bind_to(link.index) : result;
}

NetResult AfPacketPort::open_ring(const LinkDetails& link) {
  set_buffer(fd_, SO_RCVBUFFORCE, SO_RCVBUF, static_cast<int>(std::min(options_.ring_bytes, 1u << 30)));
  if (!set_option(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)) {
    return net_error(errno, "ignore outgoing packets of " + options_.interface + " (Linux 4.20)");
  }
  if (const int error = ring_.open(fd_, options_.ring_bytes, link.mtu); error != 0) {
    return net_error(error, "make a receive ring of " + std::to_string(options_.ring_bytes) + " bytes on " +
                                options_.interface + " (a smaller one may do)");
  }
  if (!fanout_) return {};
  // Until it is in its group, a bound socket would receive what the others do: so it takes nothing.
  sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program{1, &nothing};
  if (set_option(fd_, SOL_SOCKET, SO_ATTACH_FILTER, program)) return {};
  return net_error(errno, "attach a filter to " + options_.interface);
}

// Whether frames there begin with an Ethernet header. Asked before bind(), as a socket that is bound receives.
NetResult AfPacketPort::check_type(uint32_t index) const {
  ifreq request{};
  request.ifr_ifindex = static_cast<int>(index);
  if (ioctl(fd_, SIOCGIFNAME, &request) != 0 || ioctl(fd_, SIOCGIFHWADDR, &request) != 0) {
    return net_error(errno, "use the interface " + options_.interface);
  }
  const auto type = request.ifr_hwaddr.sa_family;
  if (type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK) return {};
  return {"ERR_OVERLANE_OPTION",
          "the interface " + options_.interface + " carries no Ethernet frames: a packet port cannot use it"};
}

NetResult AfPacketPort::bind_to(uint32_t index) {
  if (NetResult refused = check_type(index); !refused) return refused;
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = receives_ ? kEveryProtocol : 0;
  address.sll_ifindex = static_cast<int>(index);
  if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return net_error(errno, "use the interface " + options_.interface, "CAP_NET_RAW");
  }
  index_ = index;
  if (!receives_) return {};
  if (options_.promiscuous) {
    packet_mreq membership{};
    membership.mr_ifindex = static_cast<int>(index);
    membership.mr_type = PACKET_MR_PROMISC;
    if (!set_option(fd_, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)) {
      return net_error(errno, "make " + options_.interface + " promiscuous", "CAP_NET_RAW");
    }
  }
  return fanout_ ? join(index) : NetResult{};
}

NetResult AfPacketPort::join(uint32_t index) {
  const std::lock_guard<std::mutex> lock(fanout_->mutex);
  uint32_t wanted = fanout_->number | uint32_t{PACKET_FANOUT_HASH} << 16;
  bool joined = fanout_->index == index && set_option(fd_, SOL_PACKET, PACKET_FANOUT, wanted);
  if (!joined) {  // the first one here makes the group
    wanted = uint32_t{PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID} << 16;
    socklen_t length = sizeof wanted;
    joined = set_option(fd_, SOL_PACKET, PACKET_FANOUT, wanted) &&
             getsockopt(fd_, SOL_PACKET, PACKET_FANOUT, &wanted, &length) == 0;
    fanout_->number = static_cast<uint16_t>(wanted);
    fanout_->index = index;
  }
  if (joined && set_option(fd_, SOL_SOCKET, SO_DETACH_FILTER, 0)) return {};
  return net_error(errno, "share " + options_.interface + " out to several workers");
}

// A new socket in the old one's place, because that one belongs to its group for good.
NetResult AfPacketPort::open_again(const LinkInfo& link) {
  AfPacketPort fresh(options_, receives_, fanout_);
  LinkDetails details;
  details.index = link.index;
  details.mtu = link.mtu;
  const NetResult result = in_namespace(options_.netns, [&] { return fresh.open_socket(details); });
  if (!result) return result;
  if (dup3(fresh.fd_, fd_, O_CLOEXEC) < 0) return net_error(errno, "replace a socket of " + options_.interface);
  ring_ = std::move(fresh.ring_);
  index_ = fresh.index_;
  return {};
}

void AfPacketPort::link_changed(const LinkInfo& link) {
  if (link.state == LinkState::gone) {
    if (link.index == 0 || link.index == index_) go(0);
    return;
  }
  if (link.state != LinkState::up || (!gone_ && link.index == index_)) return;
  const NetResult result = fanout_ ? open_again(link) : bind_to(link.index);
  gone_ = !result;
  if (!result) return report(result, 0);
  error_.clear();
}

}  // namespace overlane
