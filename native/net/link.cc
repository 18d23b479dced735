#include "net/link.h"

#include <net/if.h>

#include <algorithm>
#include <cerrno>

#include "net/link_address.h"
#include "net/link_message.h"
#include "net/netlink.h"

namespace overlane {

namespace {

constexpr size_t kMaxAlias = 255;  // IFALIASZ, less the terminating 0

struct Configuring {
  Netlink& netlink;
  const LinkDetails& now;
  const std::string& name = now.name;

  ifinfomsg family() const {
    ifinfomsg family{};
    family.ifi_index = static_cast<int>(now.index);
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
  NetResult set_flags(uint32_t wanted, uint32_t change) const {
    ifinfomsg message = family();
    message.ifi_flags = wanted;
    message.ifi_change = change;
    NetlinkRequest request(RTM_SETLINK, 0, message);
    const std::string what = change & IFF_UP      ? wanted & IFF_UP ? "up" : "down"
                             : wanted & IFF_NOARP ? "arp off"
                                                  : "arp on";
    return netlink.perform(request, "set " + name + " " + what);
  }
};

NetResult wrong(const std::string& message) {
  return {"ERR_OVERLANE_OPTION", message};
}

NetResult set_alias(const Configuring& link, const std::string& alias) {
  if (alias.size() > kMaxAlias) return wrong("an alias has at most " + std::to_string(kMaxAlias) + " bytes");
  return link.set(IFLA_IFALIAS, alias.data(), alias.size(), "set the alias");
}

// Only what differs: the kernel tells every program that listens of what it is told, and some restart the link.
NetResult configure_sizes(const Configuring& link, const LinkSettings& settings) {
  const LinkDetails& now = link.now;
  NetResult result;
  if (settings.alias && *settings.alias != now.alias) result = set_alias(link, *settings.alias);
  if (result && settings.mac && *settings.mac != now.mac) {
    uint8_t bytes[6];
    store_mac(bytes, *settings.mac);
    result = link.set(IFLA_ADDRESS, bytes, sizeof bytes, "set the MAC");
  }
  const auto number = [&](const std::optional<uint32_t>& wanted, uint32_t is, uint16_t attribute, const char* what) {
    if (result && wanted && *wanted != is) result = link.set(attribute, *wanted, what);
  };
  number(settings.mtu, now.mtu, IFLA_MTU, "set the MTU");
  number(settings.gso_max_size, now.gso_max_size, IFLA_GSO_MAX_SIZE, "set gso_max_size");
  number(settings.tx_queue_length, now.tx_queue_length, IFLA_TXQLEN, "set the transmit queue length");
  return result;
}

NetResult configure_flags(const Configuring& link, const LinkSettings& settings) {
  uint32_t change = 0;
  uint32_t wanted = 0;
  if (settings.arp) change |= IFF_NOARP, wanted |= *settings.arp ? 0 : IFF_NOARP;
  if (settings.up) change |= IFF_UP, wanted |= *settings.up ? IFF_UP : 0;
  change &= link.now.flags ^ wanted;
  return change == 0 ? NetResult{} : link.set_flags(wanted & change, change);
}

NetResult no_name(const std::string& name) {
  return wrong("\"" + name + "\" is no name of an interface: 1 to 15 bytes, no space, / : or %");
}

NetResult find_by(Netlink& netlink, uint32_t index, const std::string& name, LinkDetails& details) {
  if (index == 0 && !is_link_name(name)) return no_name(name);
  const std::string called = index == 0 ? name : "with index " + std::to_string(index);
  const int error = ask_link(netlink, index, name, details);
  if (error == ENODEV) return {"ERR_OVERLANE_MISSING", "no interface " + called};
  return error == 0 ? NetResult{} : netlink.failure(error, "look up the interface " + called);
}

template <typename Work>
NetResult with_link(const std::string& name, Work work) {
  Netlink netlink;
  LinkDetails details;
  NetResult result = netlink.open();
  if (result) result = find_by(netlink, 0, name, details);
  return result ? work(netlink, details) : result;
}

}  // namespace

bool is_link_name(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return c > ' ' && c != 0x7f && c != '/' && c != ':' && c != '%'; });
}

NetResult configure_link(const std::string& name, const LinkSettings& settings) {
  return with_link(name, [&](Netlink& netlink, const LinkDetails& details) {
    const Configuring link{netlink, details};
    NetResult result = configure_sizes(link, settings);
    if (result) result = configure_flags(link, settings);
    for (size_t i = 0; result && i < settings.addresses.size(); ++i) {
      result = add_address(netlink, details, settings.addresses[i]);
    }
    for (size_t i = 0; result && i < settings.routes.size(); ++i) {
      result = add_route(netlink, details, settings.routes[i]);
    }
    return result;
  });
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
  family.ifa_family = ip.is_v4() ? AF_INET : AF_INET6;
  NetlinkRequest request(RTM_GETADDR, NLM_F_DUMP, family);
  uint32_t index = 0;
  const int error = netlink.ask(request, [&](const nlmsghdr& message) {
    uint32_t link = 0;
    IpPrefix address;
    if (read_address(message, link, address) && address.ip == ip) index = link;
  });
  if (error != 0) return netlink.failure(error, "list the addresses of this namespace");
  if (index == 0) return {"ERR_OVERLANE_MISSING", "no interface has the address " + to_text(ip)};
  result = find_by(netlink, index, {}, details);
  if (result) name = details.name;
  return result;
}

NetResult delete_link(const std::string& name) {
  return with_link(name, [&](Netlink& netlink, const LinkDetails& link) {
    ifinfomsg family{};
    family.ifi_index = static_cast<int>(link.index);
    NetlinkRequest request(RTM_DELLINK, 0, family);
    return netlink.perform(request, "delete " + name);
  });
}

NetResult rename_link(const std::string& name, const std::string& to) {
  if (!is_link_name(to)) return no_name(to);
  return with_link(name, [&](Netlink& netlink, const LinkDetails& link) {
    if (name == to) return NetResult{};
    return Configuring{netlink, link}.set(IFLA_IFNAME, to.c_str(), to.size() + 1, "set the name " + to);
  });
}

NetResult remove_address(const std::string& link, const IpPrefix& address) {
  return with_link(link, [&](Netlink& netlink, const LinkDetails& of) { return remove_address(netlink, of, address); });
}

NetResult remove_route(const std::string& link, const Route& route) {
  return with_link(link, [&](Netlink& netlink, const LinkDetails& of) { return remove_route(netlink, of, route); });
}

}  // namespace overlane
