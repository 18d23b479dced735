// What the addon's Dataplane shows of its state.
#include "binding/convert.h"
#include "binding/dataplane.h"

namespace overlane {

Napi::Value DataplaneObject::fdb(Info info) {
  Napi::Env env = info.Env();
  const Context& context = dataplane(info).context();
  const uint16_t bridge = to_u16(info[0]);
  auto rows = Napi::Array::New(env);
  context.fdb->each(context.tick, [&](const FdbRow& entry) {
    const Domain& domain = context.domains[fdb_domain(entry.key)];
    if (!domain.used || domain.bridge != bridge) return;
    auto row = Napi::Object::New(env);
    row.Set("mac", from_mac(env, fdb_mac(entry.key)));
    row.Set("vlan", from_vlan(env, domain.vlan));
    const bool remote = is_tunnel(entry.place);
    row.Set("port", Napi::Number::New(env, remote ? -1 : static_cast<int32_t>(entry.place)));
    row.Set("vtep", remote ? from_ip(env, context.tunnels[tunnel_index(entry.place)].vtep) : env.Null());
    row.Set("static", Napi::Boolean::New(env, entry.is_static));
    row.Set("ageNs", Napi::BigInt::New(env, static_cast<int64_t>(entry.age) << kTickShift));
    rows.Set(rows.Length(), row);
  });
  return rows;
}

Napi::Value DataplaneObject::neighbors(Info info) {
  Napi::Env env = info.Env();
  const Context& context = dataplane(info).context();
  const uint16_t bridge = to_u16(info[0]);
  auto rows = Napi::Array::New(env);
  context.neighbors.each([&](const AddressKey& key, const Neighbor& neighbor) {
    const Domain& domain = context.domains[key.space];
    if (!domain.used || domain.bridge != bridge) return;
    auto row = Napi::Object::New(env);
    row.Set("ip", from_ip(env, key.ip));
    row.Set("mac", from_mac(env, neighbor.mac));
    row.Set("vlan", from_vlan(env, domain.vlan));
    row.Set("static", Napi::Boolean::New(env, neighbor.is_static));
    rows.Set(rows.Length(), row);
  });
  return rows;
}

Napi::Value DataplaneObject::counters(Info info) {
  const std::vector<CounterRow>& rows = dataplane(info).context().counters.rows();
  auto out = Napi::BigUint64Array::New(info.Env(), rows.size() * kCounterCount);
  uint64_t* to = out.Data();
  for (const CounterRow& row : rows) to = std::copy_n(row.values, kCounterCount, to);
  return out;
}

Napi::Value DataplaneObject::misses(Info info) {
  Napi::Env env = info.Env();
  Context& context = dataplane(info).context();
  auto rows = Napi::Array::New(env);
  for (const Miss& miss : context.misses.take()) {
    const Domain& domain = context.domains[miss.domain];
    if (!domain.used) continue;
    auto row = Napi::Object::New(env);
    row.Set("bridge", Napi::Number::New(env, domain.bridge));
    row.Set("port", Napi::Number::New(env, miss.port));
    row.Set("vlan", from_vlan(env, domain.vlan));
    row.Set("ip", from_ip(env, miss.ip));
    row.Set("timestamp", Napi::BigInt::New(env, miss.time));
    rows.Set(rows.Length(), row);
  }
  return rows;
}

Napi::Value DataplaneObject::port_error(Info info) {
  Napi::Env env = info.Env();
  const Port& failed = *dataplane(info).port(port(info, info[0]));
  if (failed.error().empty()) return env.Null();
  auto error = Napi::Object::New(env);
  error.Set("code", failed.error_name());
  error.Set("message", failed.error());
  return error;
}

}  // namespace overlane
