#include "net/link.h"

#include <net/if.h>

#include <algorithm>
#include <cerrno>

#include "net/link_message.h"
#include "net/netlink.h"

namespace overlane {

namespace {

struct Configuring {
  Netlink& netlink;
  const std::string& name;
  uint32_t index;

  ifinfomsg family() const {
    ifinfomsg family{};
    family.ifi_index = static_cast<int>(index);
    return family;
  }
  NetResult set(uint16_t attribute, const void* value, size_t length, const std::string& what) const {
    NetlinkRequest request(RTM_SETLINK, 0, family());
    request.put(attribute, value, length);
    return netlink.perform(request, what + " of " + name);
  }
  NetResult set(uint16_t attribute, uint32_t value, const std::string& what) const {
    return set(attribute, &value, sizeof value, what + " " + std::to_string(value));
  }
  NetResult set_up() const {
    ifinfomsg message = family();
    message.ifi_flags = IFF_UP;
    message.ifi_change = IFF_UP;
    NetlinkRequest request(RTM_SETLINK, 0, message);
    return netlink.perform(request, "set " + name + " up");
  }
};

uint8_t family_of(const IpAddress& ip) {
  return ip.is_v4() ? AF_INET : AF_INET6;
}

NetResult wrong(const std::string& message) {
  return {"ERR_OVERLANE_OPTION", message};
}

NetResult no_ipv6(const std::string& name) {
  return {"ERR_OVERLANE_UNSUPPORTED", "IPv6 is disabled on " + name +
                                          ": leave out its IPv6 addresses, or in that namespace first: sysctl -w "
                                          "net.ipv6.conf.default.disable_ipv6=0"};
}

NetResult add_address(const Configuring& link, const IpPrefix& address) {
  uint8_t bytes[16];
  const unsigned size = address.ip.write(bytes);
  const std::string what = "add the address " + to_text(address) + " to " + link.name;
  if (address.length > size * 8) return wrong("cannot " + what + ": the prefix is too long");
  ifaddrmsg family{};
  family.ifa_family = family_of(address.ip);
  family.ifa_prefixlen = address.length;
  family.ifa_index = link.index;
  if (family.ifa_family == AF_INET6) family.ifa_flags = IFA_F_NODAD;
  NetlinkRequest request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, family);
  request.put(IFA_LOCAL, bytes, size);
  request.put(IFA_ADDRESS, bytes, size);
  const int error = link.netlink.ask(request);
  if (error == EACCES && family.ifa_family == AF_INET6) return no_ipv6(link.name);
  return error == 0 ? NetResult{} : link.netlink.failure(error, what);
}

NetlinkRequest route_request(const Configuring& link, const Route& route, uint16_t type, uint16_t flags) {
  uint8_t bytes[16];
  const IpAddress& tells_family = route.to.length == 0 && route.via ? *route.via : route.to.ip;
  rtmsg family{};
  family.rtm_family = family_of(tells_family);
  family.rtm_dst_len = route.to.length;
  family.rtm_table = RT_TABLE_MAIN;
  family.rtm_protocol = RTPROT_STATIC;
  family.rtm_scope = family.rtm_family == AF_INET && !route.via ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  family.rtm_type = RTN_UNICAST;
  NetlinkRequest request(type, flags, family);
  if (route.to.length != 0) request.put(RTA_DST, bytes, route.to.ip.write(bytes));
  if (route.via) request.put(RTA_GATEWAY, bytes, route.via->write(bytes));
  request.put(RTA_OIF, link.index);
  return request;
}

NetResult add_route(const Configuring& link, const Route& route) {
  const std::string to = route.to.length == 0 ? "default" : to_text(route.to);
  const std::string what =
      "add the route to " + to + (route.via ? " via " + to_text(*route.via) : "") + " by " + link.name;
  if (route.to.length > (route.to.ip.is_v4() ? 32 : 128)) return wrong("cannot " + what + ": the prefix is too long");
  if (route.via && route.to.length != 0 && route.via->is_v4() != route.to.ip.is_v4()) {
    return wrong("cannot " + what + ": the next hop is of the other IP version");
  }
  NetlinkRequest request = route_request(link, route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  int error = link.netlink.ask(request);
  if (error == EEXIST) {
    // Ours from a former life of a persistent interface can be taken away exactly; another's cannot.
    NetlinkRequest removal = route_request(link, route, RTM_DELROUTE, 0);
    error = link.netlink.ask(removal) == 0 ? link.netlink.ask(request) : EEXIST;
    if (error == EEXIST) {
      return {"ERR_OVERLANE_BUSY",
              "cannot " + what + ": there is another route to it; remove it first: ip route del " + to};
    }
  }
  return error == 0 ? NetResult{} : link.netlink.failure(error, what);
}

NetResult configure_sizes(const Configuring& link, const LinkSettings& settings) {
  NetResult result;
  if (settings.mac) {
    uint8_t bytes[6];
    store_mac(bytes, *settings.mac);
    result = link.set(IFLA_ADDRESS, bytes, sizeof bytes, "set the MAC");
  }
  if (result && settings.mtu) result = link.set(IFLA_MTU, *settings.mtu, "set the MTU");
  if (result && settings.gso_max_size) result = link.set(IFLA_GSO_MAX_SIZE, *settings.gso_max_size, "set gso_max_size");
  if (result && settings.tx_queue_length) {
    result = link.set(IFLA_TXQLEN, *settings.tx_queue_length, "set the transmit queue length");
  }
  return result;
}

NetResult find_by(Netlink& netlink, uint32_t index, const std::string& name, LinkDetails& details) {
  if (index == 0 && !is_link_name(name)) {
    return wrong("\"" + name + "\" is no name of an interface: 1 to 15 bytes, no space, / : or %");
  }
  const std::string called = index == 0 ? name : "with index " + std::to_string(index);
  const int error = ask_link(netlink, index, name, details);
  if (error == ENODEV) return {"ERR_OVERLANE_MISSING", "no interface " + called};
  return error == 0 ? NetResult{} : netlink.failure(error, "look up the interface " + called);
}

}  // namespace

bool is_link_name(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return c > ' ' && c != 0x7f && c != '/' && c != ':' && c != '%'; });
}

NetResult configure_link(const std::string& name, const LinkSettings& settings) {
  Netlink netlink;
  LinkDetails details;
  NetResult result = netlink.open();
  if (result) result = find_by(netlink, 0, name, details);
  const Configuring link{netlink, name, details.index};
  if (result) result = configure_sizes(link, settings);
  if (result && settings.up) result = link.set_up();
  for (size_t i = 0; result && i < settings.addresses.size(); ++i) result = add_address(link, settings.addresses[i]);
  for (size_t i = 0; result && i < settings.routes.size(); ++i) result = add_route(link, settings.routes[i]);
  return result;
}

NetResult find_link(const std::string& name, LinkDetails& details) {
  Netlink netlink;
  NetResult result = netlink.open();
  return result ? find_by(netlink, 0, name, details) : result;
}

NetResult find_link(uint32_t index, LinkDetails& details) {
  Netlink netlink;
  NetResult result = netlink.open();
  return result ? find_by(netlink, index, {}, details) : result;
}

NetResult find_link_of(IpAddress ip, LinkDetails& details, std::string& name) {
  Netlink netlink;
  NetResult result = netlink.open();
  if (!result) return result;
  ifaddrmsg family{};
  family.ifa_family = family_of(ip);
  NetlinkRequest request(RTM_GETADDR, NLM_F_DUMP, family);
  uint32_t index = 0;
  const int error = netlink.ask(request, [&](const nlmsghdr& message) {
    if (has_address(message, ip)) index = load<ifaddrmsg>(NLMSG_DATA(&message)).ifa_index;
  });
  if (error != 0) return netlink.failure(error, "list the addresses of this namespace");
  if (index == 0) return {"ERR_OVERLANE_MISSING", "no interface has the address " + to_text(ip)};
  result = find_by(netlink, index, {}, details);
  if (result) name = details.name;
  return result;
}

NetResult delete_link(const std::string& name) {
  Netlink netlink;
  LinkDetails details;
  NetResult result = netlink.open();
  if (result) result = find_by(netlink, 0, name, details);
  if (!result) return result;
  ifinfomsg family{};
  family.ifi_index = static_cast<int>(details.index);
  NetlinkRequest request(RTM_DELLINK, 0, family);
  return netlink.perform(request, "delete " + name);
}

}  // namespace overlane
