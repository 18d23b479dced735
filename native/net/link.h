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
};

struct LinkSettings {
  std::optional<Mac> mac;
  std::optional<uint32_t> mtu;
  std::optional<uint32_t> gso_max_size;  // bytes of the largest super-frame
  std::optional<uint32_t> tx_queue_length;
  std::vector<IpPrefix> addresses;
  std::vector<Route> routes;
  bool up = true;
};

struct LinkDetails {
  uint32_t index = 0;
  uint32_t mtu = 0;
  Mac mac = 0;
  bool up = false;  // IFF_UP and a carrier
};

// Applies all of it to the interface, in the order MAC, MTU, sizes, up, addresses, routes.
NetResult configure_link(const std::string& name, const LinkSettings& settings);
NetResult find_link(const std::string& name, LinkDetails& details);
// The interface that has this address.
NetResult find_link_of(IpAddress ip, LinkDetails& details, std::string& name);
NetResult delete_link(const std::string& name);

}  // namespace overlane
