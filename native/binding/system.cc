// The process's privileges, and what the kernel offers: the latter for `doctor`, by trying it where it harms nobody.
#include "binding/system.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "binding/convert.h"
#include "binding/error.h"
#include "net/capabilities.h"
#include "net/link.h"
#include "port/udp_address.h"
#include "port/xdp.h"

namespace overlane {

namespace {

constexpr unsigned long kTso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
constexpr unsigned long kUso = 0x20 | 0x40;  // TUN_F_USO4 and TUN_F_USO6 of Linux 6.2
constexpr int kGro = 104;                    // UDP_GRO of Linux 5.0
constexpr int kSegment = 103;                // UDP_SEGMENT of Linux 4.18
constexpr uint16_t kDiscard = 9;             // nothing is sent there

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

NetResult isolated(const std::function<NetResult()>& work) {
  if (unshare(CLONE_NEWNET) != 0) return net_error(errno, "make a network namespace", "CAP_SYS_ADMIN");
  return work();
}

// In a namespace that ends with the thread, and with it what was made there.
NetResult in_throwaway_namespace(const std::function<NetResult()>& work) {
  return in_thread([&] { return isolated(work); });
}

NetResult try_tap(bool& tso, bool& uso) {
  const Descriptor tun(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  if (tun.get() < 0) return net_error(errno, "open /dev/net/tun", "read and write access to it");
  unsigned features = 0;
  ioctl(tun.get(), TUNGETFEATURES, &features);
  if ((features & IFF_VNET_HDR) == 0) return {};
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(tun.get(), TUNSETIFF, &request) != 0) return net_error(errno, "make a TAP", "CAP_NET_ADMIN");
  tso = ioctl(tun.get(), TUNSETOFFLOAD, kTso) == 0;
  uso = ioctl(tun.get(), TUNSETOFFLOAD, kTso | kUso) == 0;
  return {};
}

Napi::Value tap_offloads(const Napi::CallbackInfo& info) {
  bool tso = false;
  bool uso = false;
  check(info.Env(), in_throwaway_namespace([&] { return try_tap(tso, uso); }));
  auto out = Napi::Object::New(info.Env());
  out.Set("tso", tso);
  out.Set("uso", uso);
  return out;
}

Napi::Value udp_offloads(const Napi::CallbackInfo& info) {
  const Descriptor udp(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (udp.get() < 0) check(info.Env(), net_error(errno, "open a UDP socket"));
  const int bytes = 1400;
  const int on = 1;
  auto out = Napi::Object::New(info.Env());
  out.Set("segment", setsockopt(udp.get(), SOL_UDP, kSegment, &bytes, sizeof bytes) == 0);
  out.Set("gro", setsockopt(udp.get(), SOL_UDP, kGro, &on, sizeof on) == 0);
  return out;
}

NetResult try_xdp(std::string& mode) {
  LinkSettings settings;
  settings.mtu = 1500;  // that of a loopback is more than a frame holds
  const NetResult result = configure_link("lo", settings);
  if (!result) return result;
  XdpPort::Options options;
  options.interface = "lo";
  options.queues = 1;
  options.frames = 128;
  options.copy = XdpCopy::automatic;
  std::vector<std::unique_ptr<Port>> ports;
  LinkDetails link;
  return open_xdp(options, 1, 0, ports, link, mode);
}

Napi::Value xdp_mode(const Napi::CallbackInfo& info) {
  std::string mode;
  check(info.Env(), in_throwaway_namespace([&] { return try_xdp(mode); }));
  return Napi::String::New(info.Env(), mode);
}

// What the routes, and what this kernel has heard of the path lately, say. Sends nothing.
Napi::Value path_mtu(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const IpAddress to = to_ip(info[0]);
  const Descriptor udp(socket(to.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (udp.get() < 0) check(env, net_error(errno, "open a UDP socket"));
  const SocketAddress address = socket_address(to, kDiscard, 0);
  if (connect(udp.get(), &address.any, address.length) != 0) check(env, net_error(errno, "find a route"));
  SocketAddress source{};
  source.length = sizeof source;
  int mtu = 0;
  socklen_t length = sizeof mtu;
  if (getsockname(udp.get(), &source.any, &source.length) != 0 ||
      getsockopt(udp.get(), to.is_v4() ? SOL_IP : SOL_IPV6, to.is_v4() ? IP_MTU : IPV6_MTU, &mtu, &length) != 0) {
    check(env, net_error(errno, "ask for the MTU of the path"));
  }
  auto out = Napi::Object::New(env);
  out.Set("mtu", mtu);
  out.Set("source", from_ip(env, ip_of(source)));
  return out;
}

Napi::Value permitted(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(), permitted_capabilities());
}

void drop(const Napi::CallbackInfo& info) {
  check(info.Env(), drop_capabilities(to_u64(info[0])));
}

}  // namespace

void init_system(Napi::Env env, Napi::Object exports) {
  exports.Set("tapOffloads", Napi::Function::New<tap_offloads>(env, "tapOffloads"));
  exports.Set("udpOffloads", Napi::Function::New<udp_offloads>(env, "udpOffloads"));
  exports.Set("xdpMode", Napi::Function::New<xdp_mode>(env, "xdpMode"));
  exports.Set("pathMtu", Napi::Function::New<path_mtu>(env, "pathMtu"));
  exports.Set("permittedCapabilities", Napi::Function::New<permitted>(env, "permittedCapabilities"));
  exports.Set("dropCapabilities", Napi::Function::New<drop>(env, "dropCapabilities"));
}

}  // namespace overlane
