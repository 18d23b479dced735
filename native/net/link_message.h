// rtnetlink's messages about interfaces and addresses: asked for and read; addresses as text.
#pragma once

#include <arpa/inet.h>

#include "net/link.h"
#include "net/netlink.h"

namespace overlane {

// False when it is no RTM_NEWLINK or RTM_DELLINK, or cut short.
bool read_link(const nlmsghdr& message, LinkDetails& details);
// Whether it is an RTM_NEWADDR about this address.
bool has_address(const nlmsghdr& message, const IpAddress& ip);

// Asks for one interface: by index, or when that is 0 by name. 0 or an errno; ENODEV: there is none.
int ask_link(Netlink& netlink, uint32_t index, const std::string& name, LinkDetails& details);

std::string to_text(const IpAddress& ip);
std::string to_text(const IpPrefix& prefix);

}  // namespace overlane
