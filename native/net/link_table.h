// What interfaces, addresses and routes there are in the namespace of the calling thread.
#pragma once

#include <string>
#include <vector>

#include "net/link.h"

namespace overlane {

struct AddressRow {
  std::string link;
  IpPrefix address;
};

struct RouteRow {
  std::string link;  // empty: none
  IpPrefix to;
  std::optional<IpAddress> via;
};

NetResult list_links(std::vector<LinkDetails>& links);
NetResult list_addresses(std::vector<AddressRow>& addresses);
// Unicast routes of the main table, one row a next hop.
NetResult list_routes(std::vector<RouteRow>& routes);

}  // namespace overlane
