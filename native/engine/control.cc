// Configuration of the dataplane, between bursts.
#include <algorithm>

#include "engine/dataplane.h"
#include "stage/next_hop.h"

namespace overlane {

namespace {

// The first free slot of a table whose entries have `used`, from `first` on.
template <typename Table>
uint32_t free_slot(Table& table, uint32_t first) {
  for (uint32_t i = first; i < table.size(); ++i) {
    if (!table[i].used) return i;
  }
  table.emplace_back();
  return static_cast<uint32_t>(std::max<size_t>(table.size() - 1, first));
}

// Of domains that have a VNI and keys, so that cleartext for them is known for what it is.
void count_encrypted(const Domain& domain, int change, Context& context) {
  if (domain.vni < 0 || domain.keyring == kNoKeyring) return;
  const VniKey key{kNoUnderlay, static_cast<uint32_t>(domain.vni)};
  const uint32_t* found = context.encrypted_vnis.find(key);
  const uint32_t count = (found == nullptr ? 0 : *found) + static_cast<uint32_t>(change);
  if (count == 0) {
    context.encrypted_vnis.erase(key);
  } else {
    context.encrypted_vnis.put(key, count);
  }
}

template <typename T>
void remove_value(std::vector<T>& from, T value) {
  from.erase(std::remove(from.begin(), from.end(), value), from.end());
}

}  // namespace

void Dataplane::note_what_is_wanted() {
  context_.asks_neighbors = context_.maps_vlans = context_.has_gateways = false;
  for (const Domain& domain : context_.domains) {
    if (!domain.used) continue;
    context_.has_gateways |= domain.gateway_mac != 0;
    context_.asks_neighbors |= domain.proxy_arp || domain.arp_snooping || domain.gateway_mac != 0;
    context_.maps_vlans |= domain.vlan != kNoVlan;
  }
}

uint16_t Dataplane::add_underlay(const UnderlayOptions& options) {
  const auto index = static_cast<uint16_t>(free_slot(context_.underlays, 0));
  context_.underlays[index] = {true,
                               options.datagrams,
                               options.port,
                               options.udp_port,
                               options.ttl,
                               options.send_checksum,
                               options.verify_checksum,
                               options.mtu,
                               options.local,
                               options.mac,
                               options.resolve && !options.datagrams,
                               options.prefix_length,
                               options.gateway,
                               options.esp,
                               options.esp_port,
                               options.trains};
  context_.carried[options.port].push_back(index);
  context_.output.resize(ports_.size(), context_.underlays.size());
  return index;
}

void Dataplane::remove_underlay(uint16_t underlay) {
  forget_next_hops(underlay, context_);
  remove_value(context_.carried[context_.underlays[underlay].carrier], underlay);
  context_.underlays[underlay] = {};
  context_.recent_vteps.clear();
}

void Dataplane::set_next_hop(uint16_t underlay, IpAddress ip, Mac mac) {
  set_static_next_hop(underlay, ip, mac, context_);
}

void Dataplane::set_learned_next_hop(uint16_t underlay, IpAddress ip, Mac mac) {
  hear_next_hop(underlay, ip, mac, context_);
}

uint16_t Dataplane::add_bridge(const BridgeOptions& options) {
  const auto bridge = static_cast<uint16_t>(free_slot(bridges_, 0));
  bridges_[bridge] = {true, options.port_fdb_limit, {}};
  context_.fdb->set_bridge(bridge, options.fdb_limit);
  for (const DomainOptions& wanted : options.domains) {
    const auto index = static_cast<uint16_t>(free_slot(context_.domains, 1));
    Domain& domain = context_.domains[index] = options.policy;
    domain.used = true;
    domain.bridge = bridge;
    domain.vlan = wanted.vlan;
    domain.vni = wanted.vni;
    domain.underlay = options.underlay;
    context_.fdb->set_domain(index, bridge, options.ageing);
    bridges_[bridge].domains.push_back(index);
    if (wanted.vni >= 0) context_.vnis.put({options.underlay, static_cast<uint32_t>(wanted.vni)}, index);
    count_encrypted(domain, 1, context_);
  }
  note_what_is_wanted();
  return bridge;
}

void Dataplane::remove_bridge(uint16_t bridge) {
  for (uint16_t i = 0; i < context_.members.size(); ++i) {
    if (context_.members[i].bridge == bridge) leave(i);
  }
  for (uint32_t i = 0; i < context_.tunnels.size(); ++i) {
    Tunnel& tunnel = context_.tunnels[i];
    if (tunnel.used && context_.domains[tunnel.domain].bridge == bridge) remove_tunnel(i);
  }
  for (uint16_t index : bridges_[bridge].domains) {
    Domain& domain = context_.domains[index];
    context_.fdb->erase_if([index](FdbKey key, Place) { return fdb_domain(key) == index; });
    context_.neighbors.erase_domain(index);
    if (domain.vni >= 0) context_.vnis.erase({domain.underlay, static_cast<uint32_t>(domain.vni)});
    count_encrypted(domain, -1, context_);
    remove_interface(index);
    domain = {};
  }
  note_what_is_wanted();
  context_.recent_vteps.clear();
  bridges_[bridge] = {};
}

uint16_t Dataplane::domain_of(uint16_t bridge, uint16_t vlan) const {
  for (uint16_t index : bridges_[bridge].domains) {
    if (context_.domains[index].vlan == vlan) return index;
  }
  return kNoDomain;
}

Place Dataplane::tunnel_to(uint16_t domain, IpAddress vtep) {
  const uint32_t* index = context_.vteps.find({vtep, domain});
  return index == nullptr ? kNowhere : kTunnelBit | *index;
}

Place Dataplane::add_vtep(uint16_t domain, IpAddress vtep, bool flood) {
  Place place = tunnel_to(domain, vtep);
  Domain& of = context_.domains[domain];
  if (place == kNowhere) {
    const uint32_t index = free_slot(context_.tunnels, 0);
    Tunnel& tunnel = context_.tunnels[index];
    tunnel = {};
    tunnel.used = true;
    tunnel.domain = domain;
    tunnel.underlay = of.underlay;
    tunnel.vtep = vtep;
    place = kTunnelBit | index;
    context_.vteps.put({vtep, domain}, index);
    if (of.keyring != kNoKeyring) {
      const IpAddress local = context_.underlays[of.underlay].local;
      tunnel.association = context_.associations.hold(of.underlay, of.keyring, local, vtep, context_.live);
    }
    context_.fdb->set_place(place, of.bridge, bridges_[of.bridge].port_fdb_limit);
    link_tunnel(index, context_);
  }
  if (flood && std::find(of.replicate.begin(), of.replicate.end(), place) == of.replicate.end()) {
    of.replicate.push_back(place);
  }
  return place;
}

void Dataplane::remove_vtep(uint16_t domain, IpAddress vtep) {
  const Place place = tunnel_to(domain, vtep);
  if (place != kNowhere) remove_tunnel(tunnel_index(place));
}

void Dataplane::remove_tunnel(uint32_t index) {
  Tunnel& tunnel = context_.tunnels[index];
  const Place place = kTunnelBit | index;
  unlink_tunnel(index, context_);
  remove_value(context_.domains[tunnel.domain].replicate, place);
  context_.fdb->remove_place(place);
  context_.vteps.erase({tunnel.vtep, tunnel.domain});
  context_.recent_vteps.clear();
  if (tunnel.association != kNoAssociation) context_.associations.release(tunnel.association);
  tunnel = {};
}

bool Dataplane::add_neighbor(uint16_t domain, IpAddress ip, Mac mac) {
  context_.misses.forget(domain, ip);
  return context_.neighbors.set(domain, ip, mac);
}

}  // namespace overlane
