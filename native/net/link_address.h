// Addresses and routes of an interface, asked for over an open socket: one at a time, each as often as one likes.
#pragma once

#include "net/link.h"
#include "net/netlink.h"

namespace overlane {

// What is there already is not touched. IPv6: a prefix of another length is replaced.
NetResult add_address(Netlink& netlink, const LinkDetails& link, const IpPrefix& address);
// ERR_OVERLANE_BUSY: there is another route to that destination.
NetResult add_route(Netlink& netlink, const LinkDetails& link, const Route& route);
// What is not there is no error.
NetResult remove_address(Netlink& netlink, const LinkDetails& link, const IpPrefix& address);
NetResult remove_route(Netlink& netlink, const LinkDetails& link, const Route& route);

}  // namespace overlane
