#include "port/udp_setup.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "net/link.h"

namespace overlane {

namespace {

constexpr uint32_t kMaxDiscarded = 65536;  // so that a flood does not keep us

bool is_link_local(const IpAddress& ip) {
  uint8_t bytes[16];
  return ip.write(bytes) == 16 && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

}  // namespace

bool set_option(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

void set_buffer(int fd, int forced, int limited, uint32_t bytes) {
  const int size = static_cast<int>(std::min<uint32_t>(bytes, INT32_MAX / 2));
  if (!set_option(fd, SOL_SOCKET, forced, size)) set_option(fd, SOL_SOCKET, limited, size);
}

bool set_sending(int fd, bool v4, uint8_t ttl) {
  if (v4) {
    return set_option(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO) && set_option(fd, SOL_IP, IP_RECVERR, kOn) &&
           set_option(fd, SOL_IP, IP_TTL, ttl);
  }
  return set_option(fd, SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO) && set_option(fd, SOL_IPV6, IPV6_RECVERR, kOn) &&
         set_option(fd, SOL_IPV6, IPV6_UNICAST_HOPS, ttl);
}

uint32_t source_in_filter(bool v4) {
  return static_cast<uint32_t>(SKF_NET_OFF + (v4 ? 12 : 20));
}

void discard_received(int fd) {
  uint8_t byte;
  for (uint32_t i = 0; i < kMaxDiscarded && recv(fd, &byte, sizeof byte, MSG_DONTWAIT | MSG_TRUNC) >= 0; ++i) continue;
}

NetResult find_local(const IpAddress& local, const std::string& netns, uint32_t& mtu, uint32_t& scope) {
  LinkDetails link;
  std::string name;
  NetResult result = find_link_of(local, link, name);
  if (!result) {
    if (std::string(result.code) == "ERR_OVERLANE_MISSING") {
      result.message += (netns.empty() ? "" : " in " + netns) +
                        ": give the underlay one that is listed by ip address, or add it there first";
    }
    return result;
  }
  if (mtu == 0) mtu = link.mtu;
  scope = is_link_local(local) ? link.index : 0;
  return {};
}

}  // namespace overlane
