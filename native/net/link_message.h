// rtnetlink's messages about interfaces and addresses: asked for and read; addresses as text.
#pragma once

#include <arpa/inet.h>

#include "net/link.h"
#include "net/netlink.h"

namespace overlane {

// False when it is no RTM_NEWLINK or RTM_DELLINK, or cut short.
bool read_link(const nlmsghdr& message, LinkDetails& details);
// An interface's own address; false when the message is no RTM_NEWADDR, or cut short.
bool read_address(const nlmsghdr& message, uint32_t& link, IpPrefix& address);

struct RouteDetails {
  uint32_t link = 0;  // index; 0: none, as of a blackhole
  uint8_t scope = 0;
  IpPrefix to;  // length 0: the default route, with the zero address of its family
  std::optional<IpAddress> via;
};
// Calls `each` for every next hop of a unicast route of the main table.
void read_route(const nlmsghdr& message, const std::function<void(const RouteDetails&)>& each);

// Asks for one interface: by index, or when that is 0 by name. 0 or an errno; ENODEV: there is none.
int ask_link(Netlink& netlink, uint32_t index, const std::string& name, LinkDetails& details);

std::string to_text(const IpAddress& ip);
std::string to_text(const IpPrefix& prefix);

}  // namespace overlane
