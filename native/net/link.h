// Interfaces by rtnetlink, in the namespace of the calling thread (see netns.h): what `ip link`, `ip address` and
// `ip route` do, as far as a port needs it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/ip_address.h"
#include "net/netns.h"
#include "wire/ethernet.h"

namespace overlane {

struct IpPrefix {
  IpAddress ip;
  uint8_t length = 0;  // of the prefix, in bits of its own family: 24 in 10.0.0.2/24
};

struct Route {
  IpPrefix to;  // length 0: the default route
  std::optional<IpAddress> via;
  std::optional<uint8_t> scope;  // RT_SCOPE_*; none: that of the link without `via`, else everywhere
};

// What is not given stays as it is.
struct LinkSettings {
  std::optional<std::string> alias;  // up to 255 bytes; empty: none
  std::optional<Mac> mac;
  std::optional<uint32_t> mtu;
  std::optional<uint32_t> gso_max_size;  // bytes of the largest super-frame
  std::optional<uint32_t> tx_queue_length;
  std::vector<IpPrefix> addresses;
  std::vector<Route> routes;
  std::optional<bool> arp;
  std::optional<bool> up = true;
};

// What there is to know of a TAP, whoever made it.
struct TapDetails {
  bool persistent = false;
  bool multi_queue = false;
  uint32_t queues = 0;  // that a process holds open; only known with multi_queue
};

struct LinkDetails {
  uint32_t index = 0;
  uint32_t mtu = 0;
  Mac mac = 0;
  bool up = false;     // IFF_UP and a carrier
  uint32_t flags = 0;  // IFF_UP, IFF_NOARP, …
  uint32_t gso_max_size = 0;
  uint32_t tx_queue_length = 0;
  std::string name;
  std::string alias;
  std::string kind;               // "tun", "veth", "vxlan", …; empty: a physical one, or loopback
  std::optional<TapDetails> tap;  // of kind "tun", and for frames
};

// False for what the kernel takes for no name of an interface, and for its templates ("tap%d").
bool is_link_name(const std::string& name);

// Applies all of it to the interface, in the order alias, MAC, MTU, sizes, flags, addresses, routes. What is so already
// is not touched, so doing it again disturbs no traffic; what others added stays; another's route to the same
// destination is ERR_OVERLANE_BUSY. IPv6 addresses are usable at once, without duplicate address detection (RFC 4862,
// section 5.4): who hands them out knows that they are unique.
NetResult configure_link(const std::string& name, const LinkSettings& settings);
// ERR_OVERLANE_MISSING when there is no such interface; so too all below.
NetResult find_link(const std::string& name, LinkDetails& details);
NetResult find_link(uint32_t index, LinkDetails& details);
// The interface that has this address.
NetResult find_link_of(IpAddress ip, LinkDetails& details, std::string& name);
NetResult delete_link(const std::string& name);
// ERR_OVERLANE_BUSY: `to` is taken.
NetResult rename_link(const std::string& name, const std::string& to);
// Of one that is not there is no error.
NetResult remove_address(const std::string& link, const IpPrefix& address);
NetResult remove_route(const std::string& link, const Route& route);

}  // namespace overlane
