// Configuration of routers, between bursts.
#include <algorithm>
#include <utility>

#include "engine/dataplane.h"

namespace overlane {

namespace {

template <typename Table>
uint16_t free_slot(Table& table) {
  const auto free = std::find_if(table.begin(), table.end(), [](const auto& entry) { return !entry.used; });
  const auto index = static_cast<uint16_t>(free - table.begin());
  if (free == table.end()) table.emplace_back();
  return index;
}

}  // namespace

uint16_t Dataplane::add_router(Mac mac) {
  const uint16_t index = free_slot(context_.routers);
  context_.routers[index] = {true, mac, link_local_of(mac), {}};
  context_.routes.rebuild(context_.routers, context_.interfaces);
  return index;
}

void Dataplane::remove_router(uint16_t router) {
  for (uint16_t i = 0; i < context_.interfaces.size(); ++i) {
    const RouterInterface& interface = context_.interfaces[i];
    if (interface.used && interface.router == router) remove_interface(interface.domain);
  }
  context_.routers[router] = {};
  context_.routes.rebuild(context_.routers, context_.interfaces);
}

void Dataplane::add_interface(uint16_t router, uint16_t domain, std::vector<Prefix> addresses, uint32_t mtu) {
  const uint16_t index = free_slot(context_.interfaces);
  context_.interfaces[index] = {true, router, domain, mtu, std::move(addresses)};
  Domain& of = context_.domains[domain];
  of.gateway = index;
  of.gateway_mac = context_.routers[router].mac;
  context_.routes.rebuild(context_.routers, context_.interfaces);
  note_what_is_wanted();
}

void Dataplane::remove_interface(uint16_t domain) {
  Domain& of = context_.domains[domain];
  if (of.gateway == kNoInterface) return;
  context_.interfaces[of.gateway] = {};
  of.gateway = kNoInterface;
  of.gateway_mac = 0;
  context_.routes.rebuild(context_.routers, context_.interfaces);
  note_what_is_wanted();
}

}  // namespace overlane
