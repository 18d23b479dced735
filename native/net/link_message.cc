#include "net/link_message.h"

#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace overlane {

namespace {

template <typename T>
T value_of(const uint8_t* value, size_t length) {
  return length >= sizeof(T) ? load<T>(value) : T{};
}

std::string text_of(const uint8_t* value, size_t length) {
  const auto* text = reinterpret_cast<const char*>(value);
  return {text, strnlen(text, length)};
}

bool read_ip(unsigned family, const uint8_t* value, size_t length, IpAddress& ip) {
  if (family == AF_INET && length == 4) return ip = IpAddress::v4(value), true;
  if (family == AF_INET6 && length == 16) return ip = IpAddress::v6(value), true;
  return false;
}

void read_tap(const uint8_t* data, size_t length, LinkDetails& details) {
  TapDetails tap;
  bool frames = false;
  each_attribute(data, length, [&](uint16_t type, const uint8_t* value, size_t n) {
    if (type == IFLA_TUN_TYPE) frames = value_of<uint8_t>(value, n) == IFF_TAP;
    if (type == IFLA_TUN_PERSIST) tap.persistent = value_of<uint8_t>(value, n) != 0;
    if (type == IFLA_TUN_MULTI_QUEUE) tap.multi_queue = value_of<uint8_t>(value, n) != 0;
    if (type == IFLA_TUN_NUM_QUEUES) tap.queues += value_of<uint32_t>(value, n);
    if (type == IFLA_TUN_NUM_DISABLED_QUEUES) tap.queues += value_of<uint32_t>(value, n);
  });
  if (frames) details.tap = tap;
}

void read_kind(const uint8_t* nested, size_t length, LinkDetails& details) {
  const uint8_t* data = nullptr;
  size_t data_length = 0;
  each_attribute(nested, length, [&](uint16_t type, const uint8_t* value, size_t n) {
    if (type == IFLA_INFO_KIND) details.kind = text_of(value, n);
    if (type == IFLA_INFO_DATA) data = value, data_length = n;
  });
  if (details.kind == "tun" && data != nullptr) read_tap(data, data_length, details);
}

}  // namespace

bool read_link(const nlmsghdr& message, LinkDetails& details) {
  if (message.nlmsg_type != RTM_NEWLINK && message.nlmsg_type != RTM_DELLINK) return false;
  if (message.nlmsg_len < NLMSG_LENGTH(sizeof(ifinfomsg))) return false;
  const auto family = load<ifinfomsg>(NLMSG_DATA(&message));
  if (family.ifi_family != AF_UNSPEC) return false;  // about a bridge's port: RTM_DELLINK says that it left the bridge
  details = {};
  details.index = static_cast<uint32_t>(family.ifi_index);
  details.flags = family.ifi_flags;
  bool carrier = family.ifi_flags & IFF_RUNNING;  // should the attribute be missing
  each_attribute_of<ifinfomsg>(message, [&](uint16_t type, const uint8_t* value, size_t n) {
    if (type == IFLA_IFNAME) details.name = text_of(value, n);
    if (type == IFLA_IFALIAS) details.alias = text_of(value, n);
    if (type == IFLA_GSO_MAX_SIZE) details.gso_max_size = value_of<uint32_t>(value, n);
    if (type == IFLA_TXQLEN) details.tx_queue_length = value_of<uint32_t>(value, n);
    if (type == IFLA_MTU) details.mtu = value_of<uint32_t>(value, n);
    if (type == IFLA_ADDRESS && n == 6) details.mac = load_mac(value);
    if (type == IFLA_CARRIER) carrier = value_of<uint8_t>(value, n) != 0;
    if (type == IFLA_LINKINFO) read_kind(value, n, details);
  });
  details.up = (family.ifi_flags & IFF_UP) && carrier;
  return true;
}

bool read_address(const nlmsghdr& message, uint32_t& link, IpPrefix& address) {
  if (message.nlmsg_type != RTM_NEWADDR || message.nlmsg_len < NLMSG_LENGTH(sizeof(ifaddrmsg))) return false;
  const auto family = load<ifaddrmsg>(NLMSG_DATA(&message));
  bool local = false;  // on a point-to-point interface IFA_ADDRESS is the other end
  bool found = false;
  each_attribute_of<ifaddrmsg>(message, [&](uint16_t type, const uint8_t* value, size_t n) {
    if (type != IFA_LOCAL && (type != IFA_ADDRESS || local)) return;
    local |= type == IFA_LOCAL;
    found |= read_ip(family.ifa_family, value, n, address.ip);
  });
  link = family.ifa_index;
  address.length = family.ifa_prefixlen;
  return found;
}

void read_route(const nlmsghdr& message, const std::function<void(const RouteDetails&)>& each) {
  if (message.nlmsg_type != RTM_NEWROUTE || message.nlmsg_len < NLMSG_LENGTH(sizeof(rtmsg))) return;
  const auto family = load<rtmsg>(NLMSG_DATA(&message));
  const bool ip = family.rtm_family == AF_INET || family.rtm_family == AF_INET6;
  if (!ip || family.rtm_type != RTN_UNICAST || (family.rtm_flags & RTM_F_CLONED) != 0) return;
  uint32_t table = family.rtm_table;
  RouteDetails route;
  const uint8_t zero[16] = {};
  route.to = {family.rtm_family == AF_INET ? IpAddress::v4(zero) : IpAddress::v6(zero), family.rtm_dst_len};
  route.scope = family.rtm_scope;
  const uint8_t* hops = nullptr;
  size_t hops_length = 0;
  const auto read_hop = [&](RouteDetails& to, uint16_t type, const uint8_t* value, size_t n) {
    IpAddress via;
    if (type == RTA_GATEWAY && read_ip(family.rtm_family, value, n, via)) to.via = via;
    if (type == RTA_VIA && n > 2 && read_ip(load<uint16_t>(value), value + 2, n - 2, via)) to.via = via;
  };
  each_attribute_of<rtmsg>(message, [&](uint16_t type, const uint8_t* value, size_t n) {
    if (type == RTA_TABLE) table = value_of<uint32_t>(value, n);
    if (type == RTA_DST) read_ip(family.rtm_family, value, n, route.to.ip);
    if (type == RTA_OIF) route.link = value_of<uint32_t>(value, n);
    if (type == RTA_MULTIPATH) hops = value, hops_length = n;
    read_hop(route, type, value, n);
  });
  if (table != RT_TABLE_MAIN) return;
  if (hops == nullptr) return each(route);
  while (hops_length >= sizeof(rtnexthop)) {
    const auto hop = load<rtnexthop>(hops);
    if (hop.rtnh_len < sizeof(rtnexthop) || hop.rtnh_len > hops_length) return;
    RouteDetails one = route;
    one.link = static_cast<uint32_t>(hop.rtnh_ifindex);
    each_attribute(hops + sizeof(rtnexthop), hop.rtnh_len - sizeof(rtnexthop),
                   [&](uint16_t type, const uint8_t* value, size_t n) { read_hop(one, type, value, n); });
    each(one);
    const size_t step = std::min<size_t>(RTNH_ALIGN(hop.rtnh_len), hops_length);
    hops += step;
    hops_length -= step;
  }
}

int ask_link(Netlink& netlink, uint32_t index, const std::string& name, LinkDetails& details) {
  ifinfomsg family{};
  family.ifi_index = static_cast<int>(index);
  NetlinkRequest request(RTM_GETLINK, 0, family);
  if (index == 0) request.put(IFLA_IFNAME, name.c_str(), name.size() + 1);
  bool found = false;
  const int error = netlink.ask(request, [&](const nlmsghdr& message) { found |= read_link(message, details); });
  return error == 0 && !found ? ENODEV : error;
}

std::string to_text(const IpAddress& ip) {
  uint8_t bytes[16];
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(ip.write(bytes) == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text);
  return text;
}

std::string to_text(const IpPrefix& prefix) {
  return to_text(prefix.ip) + "/" + std::to_string(prefix.length);
}

}  // namespace overlane
