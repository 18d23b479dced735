#include "net/link_address.h"

#include <cerrno>

#include "net/link_message.h"

namespace overlane {

namespace {

uint8_t family_of(const IpAddress& ip) {
  return ip.is_v4() ? AF_INET : AF_INET6;
}

uint8_t bits_of(const IpAddress& ip) {
  return ip.is_v4() ? 32 : 128;
}

NetResult wrong(const std::string& message) {
  return {"ERR_OVERLANE_OPTION", message};
}

NetResult no_ipv6(const std::string& name) {
  return {"ERR_OVERLANE_UNSUPPORTED", "IPv6 is disabled on " + name +
                                          ": leave out its IPv6 addresses, or in that namespace first: sysctl -w "
                                          "net.ipv6.conf.default.disable_ipv6=0"};
}

NetlinkRequest address_request(const LinkDetails& link, const IpPrefix& address, uint16_t type, uint16_t flags) {
  uint8_t bytes[16];
  const unsigned size = address.ip.write(bytes);
  ifaddrmsg family{};
  family.ifa_family = family_of(address.ip);
  family.ifa_prefixlen = address.length;
  family.ifa_index = link.index;
  if (family.ifa_family == AF_INET6 && type == RTM_NEWADDR) family.ifa_flags = IFA_F_NODAD;
  NetlinkRequest request(type, flags, family);
  request.put(IFA_LOCAL, bytes, size);
  request.put(IFA_ADDRESS, bytes, size);
  return request;
}

// The prefix length that an IPv6 address has on the interface; 255: it is not there.
uint8_t length_there(Netlink& netlink, const LinkDetails& link, const IpAddress& ip) {
  ifaddrmsg family{};
  family.ifa_family = AF_INET6;
  family.ifa_index = link.index;
  NetlinkRequest request(RTM_GETADDR, NLM_F_DUMP, family);
  uint8_t length = 255;
  netlink.ask(request, [&](const nlmsghdr& message) {
    uint32_t index = 0;
    IpPrefix address;
    if (read_address(message, index, address) && index == link.index && address.ip == ip) length = address.length;
  });
  return length;
}

NetResult check(const std::string& what, const Route& route) {
  if (route.to.length > bits_of(route.to.ip)) return wrong("cannot " + what + ": the prefix is too long");
  if (route.via && route.to.length != 0 && route.via->is_v4() != route.to.ip.is_v4()) {
    return wrong("cannot " + what + ": the next hop is of the other IP version");
  }
  return {};
}

uint8_t family_of(const Route& route) {
  return family_of(route.to.length == 0 && route.via ? *route.via : route.to.ip);
}

uint8_t scope_of(const Route& route) {
  if (route.scope) return *route.scope;
  return family_of(route) == AF_INET && !route.via ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

NetlinkRequest route_request(const LinkDetails& link, const Route& route, uint16_t type, uint16_t flags) {
  uint8_t bytes[16];
  rtmsg family{};
  family.rtm_family = family_of(route);
  family.rtm_dst_len = route.to.length;
  family.rtm_table = RT_TABLE_MAIN;
  family.rtm_protocol = RTPROT_STATIC;
  family.rtm_scope = scope_of(route);
  family.rtm_type = RTN_UNICAST;
  NetlinkRequest request(type, flags, family);
  if (route.to.length != 0) request.put(RTA_DST, bytes, route.to.ip.write(bytes));
  if (route.via) request.put(RTA_GATEWAY, bytes, route.via->write(bytes));
  request.put(RTA_OIF, link.index);
  return request;
}

bool is_there(Netlink& netlink, const LinkDetails& link, const Route& route) {
  rtmsg family{};
  family.rtm_family = family_of(route);
  family.rtm_table = RT_TABLE_MAIN;
  NetlinkRequest request(RTM_GETROUTE, NLM_F_DUMP, family);
  request.put(RTA_OIF, link.index);
  bool there = false;
  netlink.ask(request, [&](const nlmsghdr& message) {
    read_route(message, [&](const RouteDetails& found) {
      const bool to = found.to.length == route.to.length && (found.to.length == 0 || found.to.ip == route.to.ip);
      there |= to && found.link == link.index && found.via == route.via;
    });
  });
  return there;
}

std::string words(const Route& route, const std::string& link) {
  const std::string to = route.to.length == 0 ? "default" : to_text(route.to);
  return "the route to " + to + (route.via ? " via " + to_text(*route.via) : "") + " by " + link;
}

}  // namespace

NetResult add_address(Netlink& netlink, const LinkDetails& link, const IpPrefix& address) {
  const std::string what = "add the address " + to_text(address) + " to " + link.name;
  if (address.length > bits_of(address.ip)) return wrong("cannot " + what + ": the prefix is too long");
  NetlinkRequest request = address_request(link, address, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  int error = netlink.ask(request);
  if (error == EEXIST) {
    // IPv4 means this prefix, too; IPv6 compares addresses only.
    if (address.ip.is_v4()) return {};
    const uint8_t length = length_there(netlink, link, address.ip);
    if (length == address.length) return {};
    if (length != 255) remove_address(netlink, link, {address.ip, length});
    error = netlink.ask(request);
  }
  if (error == EACCES && !address.ip.is_v4()) return no_ipv6(link.name);
  return error == 0 ? NetResult{} : netlink.failure(error, what);
}

NetResult remove_address(Netlink& netlink, const LinkDetails& link, const IpPrefix& address) {
  NetlinkRequest request = address_request(link, address, RTM_DELADDR, 0);
  const int error = netlink.ask(request);
  if (error == 0 || error == EADDRNOTAVAIL) return {};
  return netlink.failure(error, "remove the address " + to_text(address) + " from " + link.name);
}

NetResult add_route(Netlink& netlink, const LinkDetails& link, const Route& route) {
  const std::string what = "add " + words(route, link.name);
  const NetResult checked = check(what, route);
  if (!checked) return checked;
  NetlinkRequest request = route_request(link, route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  const int error = netlink.ask(request);
  if (error == 0) return {};
  if (error != EEXIST) return netlink.failure(error, what);
  if (is_there(netlink, link, route)) return {};
  const std::string to = route.to.length == 0 ? "default" : to_text(route.to);
  return {"ERR_OVERLANE_BUSY",
          "cannot " + what + ": there is another route to it; remove it first: ip route del " + to};
}

NetResult remove_route(Netlink& netlink, const LinkDetails& link, const Route& route) {
  const std::string what = "remove " + words(route, link.name);
  const NetResult checked = check(what, route);
  if (!checked) return checked;
  NetlinkRequest request = route_request(link, route, RTM_DELROUTE, 0);
  const int error = netlink.ask(request);
  return error == 0 || error == ESRCH ? NetResult{} : netlink.failure(error, what);
}

}  // namespace overlane
