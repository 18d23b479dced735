#include "net/link_message.h"

#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <net/if.h>

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
  bool carrier = family.ifi_flags & IFF_RUNNING;  // should the attribute be missing
  each_attribute_of<ifinfomsg>(message, [&](uint16_t type, const uint8_t* value, size_t n) {
    if (type == IFLA_IFNAME) details.name = text_of(value, n);
    if (type == IFLA_MTU) details.mtu = value_of<uint32_t>(value, n);
    if (type == IFLA_ADDRESS && n == 6) details.mac = load_mac(value);
    if (type == IFLA_CARRIER) carrier = value_of<uint8_t>(value, n) != 0;
    if (type == IFLA_LINKINFO) read_kind(value, n, details);
  });
  details.up = (family.ifi_flags & IFF_UP) && carrier;
  return true;
}

bool has_address(const nlmsghdr& message, const IpAddress& ip) {
  if (message.nlmsg_type != RTM_NEWADDR || message.nlmsg_len < NLMSG_LENGTH(sizeof(ifaddrmsg))) return false;
  uint8_t wanted[16];
  const size_t size = ip.write(wanted);
  bool local_given = false;  // on a point-to-point interface IFA_ADDRESS is the other end
  bool local = false;
  bool address = false;
  each_attribute_of<ifaddrmsg>(message, [&](uint16_t type, const uint8_t* value, size_t n) {
    const bool same = n == size && std::memcmp(value, wanted, size) == 0;
    if (type == IFA_LOCAL) local_given = true, local = same;
    if (type == IFA_ADDRESS) address = same;
  });
  return local_given ? local : address;
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
