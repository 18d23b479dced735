// Routers of the addon's Dataplane.
#include "binding/convert.h"
#include "binding/dataplane.h"
#include "binding/error.h"

namespace overlane {

Napi::Value DataplaneObject::add_router(Info info) {
  const Mac mac = to_mac(info[0]);
  return Napi::Number::New(info.Env(), change(info, [&](Dataplane& to) { return to.add_router(mac); }));
}

void DataplaneObject::remove_router(Info info) {
  const uint16_t router = to_u16(info[0]);
  change(info, [&](Dataplane& to) { to.remove_router(router); });
}

void DataplaneObject::add_interface(Info info) {
  const uint16_t in = domain(info);
  const uint16_t router = to_u16(info[2]);
  const auto list = info[3].As<Napi::Array>();
  const uint32_t mtu = to_u32(info[4]);
  std::vector<Prefix> addresses;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const auto address = list.Get(i).As<Napi::Object>();
    addresses.push_back({to_ip(address.Get("ip")), static_cast<uint8_t>(to_u32(address.Get("length")))});
  }
  change(info, [&](Dataplane& to) { to.add_interface(router, in, addresses, mtu); });
}

void DataplaneObject::remove_interface(Info info) {
  const uint16_t in = domain(info);
  change(info, [&](Dataplane& to) { to.remove_interface(in); });
}

}  // namespace overlane
