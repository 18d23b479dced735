// Ports on bridges, the VLANs of trunks, and what addresses containers have; between bursts.
#include <algorithm>

#include "engine/dataplane.h"

namespace overlane {

namespace {

constexpr size_t kVids = 4096;

}  // namespace

// A row for a VLAN of a trunk: that of a former lane, or a new one.
uint16_t Dataplane::add_lane(uint16_t port, uint16_t vlan) {
  uint16_t lane = static_cast<uint16_t>(ports_.size());
  if (free_lanes_.empty()) {
    ports_.emplace_back();
    context_.counters.resize(ports_.size());
    context_.members.resize(ports_.size());
    context_.carried.resize(ports_.size());
    context_.output.resize(ports_.size(), context_.underlays.size());
  } else {
    lane = free_lanes_.back();
    free_lanes_.pop_back();
  }
  Member& trunk = context_.members[port];
  if (trunk.lanes.empty()) trunk.lanes.assign(kVids, kNoPort);
  trunk.lanes[vlan] = lane;
  context_.members[lane].trunk = port;
  context_.members[lane].vlan = vlan;
  context_.output.set_trunk(port, true);
  context_.output.set_lane(lane, port, vlan);
  return lane;
}

void Dataplane::remove_lane(uint16_t lane) {
  const uint16_t port = context_.members[lane].trunk;
  std::vector<uint16_t>& lanes = context_.members[port].lanes;
  lanes[context_.members[lane].vlan] = kNoPort;
  if (std::all_of(lanes.begin(), lanes.end(), [](uint16_t other) { return other == kNoPort; })) {
    lanes = {};
    context_.output.set_trunk(port, false);
  }
  context_.members[lane] = {};
  context_.output.clear_lane(lane);
  free_lanes_.push_back(lane);
}

void Dataplane::attach(uint16_t bridge, uint16_t port, const AttachOptions& options) {
  const uint16_t place = options.vlan == kNoVlan ? port : add_lane(port, options.vlan);
  Member& member = context_.members[place];
  member.bridge = bridge;
  member.isolated = options.isolated;
  member.learning = options.learning;
  member.serial = ++serial_;
  const bool mapped = std::any_of(bridges_[bridge].domains.begin(), bridges_[bridge].domains.end(),
                                  [&](uint16_t index) { return context_.domains[index].vlan != kNoVlan; });
  if (mapped) member.vlans.assign(kVids, kNoDomain);
  for (uint16_t index : bridges_[bridge].domains) {
    Domain& domain = context_.domains[index];
    domain.ports.push_back(place);
    if (domain.vlan == kNoVlan) {
      member.untagged = index;
    } else {
      member.vlans[domain.vlan] = index;
    }
    if (options.uplink) domain.uplink = place, domain.uplink_mac = options.uplink_mac;
  }
  context_.fdb->set_place(place, bridge, options.fdb_limit);
}

// Takes a row of `members` off its bridge.
void Dataplane::leave(uint16_t place) {
  Member& member = context_.members[place];
  if (member.bridge == kNoBridge) return;
  for (uint16_t index : bridges_[member.bridge].domains) {
    Domain& domain = context_.domains[index];
    domain.ports.erase(std::remove(domain.ports.begin(), domain.ports.end(), place), domain.ports.end());
    if (domain.uplink == place) domain.uplink = kNoPort, domain.uplink_mac = 0;
  }
  std::vector<AddressKey> gone;
  context_.addresses.each([&](const AddressKey& key, uint16_t at) {
    if (at == place) gone.push_back(key);
  });
  for (const AddressKey& key : gone) context_.addresses.erase(key);
  context_.fdb->remove_place(place);
  if (member.trunk != kNoPort) return remove_lane(place);
  std::vector<uint16_t> lanes = std::move(member.lanes);
  member = {};
  member.lanes = std::move(lanes);
}

uint16_t Dataplane::place_of(uint16_t bridge, uint16_t port) const {
  const Member& member = context_.members[port];
  if (member.bridge == bridge) return port;
  const auto found = std::find_if(member.lanes.begin(), member.lanes.end(), [&](uint16_t lane) {
    return lane != kNoPort && context_.members[lane].bridge == bridge;
  });
  return found == member.lanes.end() ? kNoPort : *found;
}

void Dataplane::detach(uint16_t bridge, uint16_t port) {
  const uint16_t place = place_of(bridge, port);
  if (place != kNoPort) leave(place);
}

void Dataplane::detach(uint16_t port) {
  leave(port);
  const std::vector<uint16_t> lanes = context_.members[port].lanes;
  for (uint16_t lane : lanes) {
    if (lane != kNoPort) leave(lane);
  }
}

bool Dataplane::add_address(uint16_t domain, IpAddress ip, uint16_t place) {
  auto& addresses = context_.addresses;
  const AddressKey key{ip, domain};
  if (addresses.find(key) == nullptr && addresses.size() >= context_.max_addresses) return false;
  addresses.put(key, place);
  return true;
}

}  // namespace overlane
