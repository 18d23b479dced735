// Making a TAP: what happens once, before there is a port.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "port/tap.h"

namespace overlane {

namespace {

constexpr char kDevice[] = "/dev/net/tun";
constexpr unsigned kTcpOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
constexpr unsigned kUso4 = 0x20;  // TUN_F_USO4 and TUN_F_USO6 of Linux 6.2
constexpr unsigned kUso6 = 0x40;

// Closed at the end: ports have duplicates, and an interface without ports goes away by itself.
struct Queues {
  uint32_t wanted;
  bool multiple;  // the interface is one that may have several
  std::vector<int> fds;
  explicit Queues(uint32_t number) : wanted(number), multiple(number > 1) {}
  ~Queues() {
    for (int fd : fds) close(fd);
  }
};

NetResult busy(const std::string& name, const std::string& why) {
  return {"ERR_OVERLANE_BUSY", "the interface name " + name + " is taken: " + why};
}

// Whether the name is free, or a TAP that can be taken over; then with how many queues.
NetResult check_name(const TapPort::Options& options, Queues& queues) {
  LinkDetails link;
  const NetResult found = find_link(options.name, link);
  if (!found) return std::string(found.code) == "ERR_OVERLANE_MISSING" ? NetResult{} : found;
  const std::string remove = "choose another name, or remove it: ip link del " + options.name;
  if (!link.tap) {
    const std::string kind = link.kind.empty() ? "no TAP" : link.kind == "tun" ? "TUN" : link.kind;
    return busy(options.name, "by an interface that is " + (link.kind.empty() ? kind : "a " + kind) + "; " + remove);
  }
  if (!link.tap->persistent || link.tap->queues > 0) {
    return busy(options.name, "another process has this TAP open; end it, or choose another name");
  }
  queues.multiple = link.tap->multi_queue;
  if (!queues.multiple) queues.wanted = 1;
  return {};
}

NetResult open_queue(const TapPort::Options& options, Queues& queues) {
  const int fd = open(kDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    NetResult result = net_error(errno, std::string("open ") + kDevice, "read and write access to it");
    if (errno == ENOENT || errno == ENODEV) result.message += "; load it with: modprobe tun";
    return result;
  }
  queues.fds.push_back(fd);
  ifreq request{};
  std::memcpy(request.ifr_name, options.name.data(), options.name.size());
  const int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (queues.multiple ? IFF_MULTI_QUEUE : 0);
  request.ifr_flags = static_cast<short>(flags);
  if (ioctl(fd, TUNSETIFF, &request) != 0) {
    if (errno == EBUSY) return busy(options.name, "another process has this TAP open; end it, or choose another name");
    return net_error(errno, "make the TAP " + options.name, "CAP_NET_ADMIN");
  }
  int size = sizeof(VirtioHeader);
  if (ioctl(fd, TUNSETVNETHDRSZ, &size) != 0) return net_error(errno, "set the virtio-net header of " + options.name);
  return {};
}

// For the interface, by any of its queues.
NetResult set_offloads(const TapPort::Options& options, int fd, uint8_t& taken) {
  taken = 0;
  // A persistent TAP may have some from before, so turn them off explicitly.
  if (!options.offload) {
    return ioctl(fd, TUNSETOFFLOAD, 0ul) == 0 ? NetResult{} : net_error(errno, "turn off offloads of " + options.name);
  }
  taken = kTakesPartialChecksum | kTakesTso | kTakesUso;
  if (ioctl(fd, TUNSETOFFLOAD, static_cast<unsigned long>(kTcpOffloads | kUso4 | kUso6)) == 0) return {};
  taken = kTakesPartialChecksum | kTakesTso;
  if (ioctl(fd, TUNSETOFFLOAD, static_cast<unsigned long>(kTcpOffloads)) == 0) return {};
  return net_error(errno, "turn on offloads of " + options.name);
}

NetResult make(const TapPort::Options& options, Queues& queues, uint8_t& taken, LinkDetails& link) {
  NetResult result = check_name(options, queues);
  for (uint32_t i = 0; result && i < queues.wanted; ++i) result = open_queue(options, queues);
  if (result) result = set_offloads(options, queues.fds[0], taken);
  if (result) result = configure_link(options.name, options.link);
  if (result) result = find_link(options.name, link);
  return result;
}

}  // namespace

NetResult TapPort::open(const Options& options, uint32_t workers, uint32_t owner,
                        std::vector<std::unique_ptr<Port>>& ports, LinkDetails& link) {
  ports.clear();
  if (options.queues == 0 || (options.queues > 1 && options.queues != workers) || owner >= workers) {
    return {"ERR_OVERLANE_OPTION", "a TAP has 1 queue or one for each worker (" + std::to_string(workers) + "), not " +
                                       std::to_string(options.queues)};
  }
  Queues queues(options.queues);
  uint8_t taken = 0;
  const NetResult result = in_namespace(options.netns, [&] { return make(options, queues, taken, link); });
  if (!result) return result;
  const bool shared = queues.fds.size() == 1;
  for (uint32_t i = 0; i < workers; ++i) {
    const int fd = fcntl(queues.fds[shared ? 0 : i], F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
      const int error = errno;
      ports.clear();
      return net_error(error, "duplicate the descriptor of " + options.name);
    }
    ports.push_back(std::make_unique<TapPort>(fd, !shared || i == owner, taken, options.persistent, i == owner));
  }
  // Last: who dies before leaves nothing half done.
  if (options.persistent && ioctl(queues.fds[0], TUNSETPERSIST, 1ul) != 0) {
    const int error = errno;
    ports.clear();
    return net_error(error, "make " + options.name + " persistent");
  }
  return {};
}

}  // namespace overlane
