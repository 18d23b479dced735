#include "net/link_table.h"

#include <map>

#include "net/link_message.h"
#include "net/netlink.h"

namespace overlane {

namespace {

constexpr unsigned kTurns = 20;              // a table that changes while it is read is read anew
constexpr uint32_t kNoStatistics = 1u << 3;  // RTEXT_FILTER_SKIP_STATS

// Reads a table whole; `take` gets its messages.
template <typename Row, typename Take>
NetResult read_table(Netlink& netlink, NetlinkRequest& request, const std::string& what, std::vector<Row>& rows,
                     Take take) {
  for (unsigned turn = 0; turn < kTurns; ++turn) {
    rows.clear();
    const int error = netlink.ask(request, take);
    if (error != 0) return netlink.failure(error, "list " + what);
    if (!netlink.interrupted()) return {};
  }
  return {"ERR_OVERLANE_SYSTEM", "cannot list " + what + ": it changes all the time; try again"};
}

NetResult links_of(Netlink& netlink, std::vector<LinkDetails>& links) {
  NetlinkRequest request(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{});
  request.put(IFLA_EXT_MASK, kNoStatistics);
  return read_table(netlink, request, "the interfaces", links, [&](const nlmsghdr& message) {
    LinkDetails details;
    if (read_link(message, details)) links.push_back(std::move(details));
  });
}

NetResult names_of(Netlink& netlink, std::map<uint32_t, std::string>& names) {
  std::vector<LinkDetails> links;
  const NetResult result = links_of(netlink, links);
  for (const LinkDetails& link : links) names[link.index] = link.name;
  return result;
}

}  // namespace

NetResult list_links(std::vector<LinkDetails>& links) {
  Netlink netlink;
  const NetResult result = netlink.open();
  return result ? links_of(netlink, links) : result;
}

NetResult list_addresses(std::vector<AddressRow>& addresses) {
  Netlink netlink;
  std::map<uint32_t, std::string> names;
  NetResult result = netlink.open();
  if (result) result = names_of(netlink, names);
  if (!result) return result;
  NetlinkRequest request(RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{});
  return read_table(netlink, request, "the addresses", addresses, [&](const nlmsghdr& message) {
    uint32_t index = 0;
    AddressRow row;
    if (!read_address(message, index, row.address)) return;
    row.link = names[index];
    addresses.push_back(std::move(row));
  });
}

NetResult list_routes(std::vector<RouteRow>& routes) {
  Netlink netlink;
  std::map<uint32_t, std::string> names;
  NetResult result = netlink.open();
  if (result) result = names_of(netlink, names);
  if (!result) return result;
  rtmsg family{};
  family.rtm_table = RT_TABLE_MAIN;
  NetlinkRequest request(RTM_GETROUTE, NLM_F_DUMP, family);
  return read_table(netlink, request, "the routes", routes, [&](const nlmsghdr& message) {
    read_route(message, [&](const RouteDetails& route) {
      routes.push_back({route.link == 0 ? "" : names[route.link], route.to, route.via});
    });
  });
}

}  // namespace overlane
