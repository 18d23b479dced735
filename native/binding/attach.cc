// Ports on bridges, and the addresses of containers.
#include "binding/convert.h"
#include "binding/dataplane.h"
#include "binding/error.h"

namespace overlane {

void DataplaneObject::attach(Info info) {
  auto o = info[2].As<Napi::Object>();
  const uint16_t bridge = to_u16(info[0]);
  const uint16_t index = port(info, info[1]);
  AttachOptions options{to_bool(o.Get("isolated")), to_bool(o.Get("learning")), to_u32(o.Get("fdbLimit"))};
  options.vlan = to_u16(o.Get("vlan"));
  options.uplink = to_bool(o.Get("uplink"));
  if (!o.Get("uplinkMac").IsNull()) options.uplink_mac = to_mac(o.Get("uplinkMac"));
  if (options.vlan != kNoVlan && !plan(info).may_add_lane()) {
    throw_error(info.Env(), "ERR_OVERLANE_LIMIT",
                "a dataplane has at most 65534 ports and VLANs of trunks: remove some first");
  }
  change(info, [&](Dataplane& to) { to.attach(bridge, index, options); });
  memory_ports_.resize(plan(info).port_count());
}

void DataplaneObject::detach(Info info) {
  const uint16_t bridge = to_u16(info[0]);
  const uint16_t index = port(info, info[1]);
  change(info, [&](Dataplane& to) { to.detach(bridge, index); });
}

// The place of a port on a bridge.
uint16_t DataplaneObject::attached(Info info, const Napi::Value& bridge, const Napi::Value& value) {
  const uint16_t place = plan(info).place_of(to_u16(bridge), port(info, value));
  if (place == kNoPort) throw_error(info.Env(), "ERR_OVERLANE_MISSING", "the port is not attached to the bridge");
  return place;
}

void DataplaneObject::add_address(Info info) {
  const uint16_t in = plan(info).domain_of(to_u16(info[0]), kNoVlan);
  const uint16_t place = attached(info, info[0], info[1]);
  const IpAddress ip = to_ip(info[2]);
  if (!change(info, [&](Dataplane& to) { return to.add_address(in, ip, place); })) {
    throw_error(info.Env(), "ERR_OVERLANE_LIMIT", "too many addresses: raise neighborEntries of the dataplane");
  }
}

void DataplaneObject::remove_address(Info info) {
  const uint16_t in = plan(info).domain_of(to_u16(info[0]), kNoVlan);
  const IpAddress ip = to_ip(info[1]);
  change(info, [&](Dataplane& to) { to.remove_address(in, ip); });
}

}  // namespace overlane
