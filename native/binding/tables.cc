// What the addon's Dataplane shows of its state.
#include <algorithm>

#include "binding/convert.h"
#include "binding/dataplane.h"

namespace overlane {

namespace {

// The entries of a bridge as all workers know them; what several know has the youngest age.
std::vector<FdbRow> collect_fdb(Engine& engine, uint16_t bridge) {
  std::vector<FdbRow> rows;
  for (uint32_t worker = 0; worker < engine.worker_count(); ++worker) {
    engine.ask(worker, [&](Dataplane& dataplane) {
      const Context& context = dataplane.context();
      context.fdb->each(context.tick, [&](const FdbRow& row) {
        const Domain& domain = context.domains[fdb_domain(row.key)];
        if (domain.used && domain.bridge == bridge) rows.push_back(row);
      });
    });
  }
  if (engine.worker_count() == 1) return rows;
  std::sort(rows.begin(), rows.end(),
            [](const FdbRow& a, const FdbRow& b) { return a.key != b.key ? a.key < b.key : a.age < b.age; });
  rows.erase(std::unique(rows.begin(), rows.end(), [](const FdbRow& a, const FdbRow& b) { return a.key == b.key; }),
             rows.end());
  return rows;
}

// The port of a local place, which may be a lane of it.
int32_t port_at(Place place, const Context& context) {
  const uint16_t trunk = context.members[place].trunk;
  return trunk == kNoPort ? static_cast<int32_t>(place) : trunk;
}

struct NeighborRow {
  AddressKey key;
  Neighbor neighbor;
  int32_t port = -1;
};

// The entries of a bridge; of ipvlan, the addresses of its containers.
std::vector<NeighborRow> collect_neighbors(const Context& context, uint16_t bridge) {
  std::vector<NeighborRow> rows;
  const auto is_of_bridge = [&](const AddressKey& key) {
    const Domain& domain = context.domains[key.space];
    return domain.used && domain.bridge == bridge;
  };
  context.neighbors.each([&](const AddressKey& key, const Neighbor& neighbor) {
    if (is_of_bridge(key)) rows.push_back({key, neighbor});
  });
  context.addresses.each([&](const AddressKey& key, uint16_t place) {
    if (is_of_bridge(key)) rows.push_back({key, {context.domains[key.space].mac, true}, port_at(place, context)});
  });
  return rows;
}

}  // namespace

Napi::Value DataplaneObject::fdb(Info info) {
  Napi::Env env = info.Env();
  const Context& context = plan(info).context();
  auto rows = Napi::Array::New(env);
  for (const FdbRow& entry : collect_fdb(engine(info), to_u16(info[0]))) {
    auto row = Napi::Object::New(env);
    row.Set("mac", from_mac(env, fdb_mac(entry.key)));
    row.Set("vlan", from_vlan(env, context.domains[fdb_domain(entry.key)].vlan));
    const bool remote = is_tunnel(entry.place);
    row.Set("port", Napi::Number::New(env, remote ? -1 : port_at(entry.place, context)));
    row.Set("vtep", remote ? from_ip(env, context.tunnels[tunnel_index(entry.place)].vtep) : env.Null());
    row.Set("static", Napi::Boolean::New(env, entry.is_static));
    row.Set("ageNs", Napi::BigInt::New(env, static_cast<int64_t>(entry.age) << kTickShift));
    rows.Set(rows.Length(), row);
  }
  return rows;
}

Napi::Value DataplaneObject::neighbors(Info info) {
  Napi::Env env = info.Env();
  const uint16_t bridge = to_u16(info[0]);
  std::vector<NeighborRow> found;
  engine(info).ask(0, [&](Dataplane& dataplane) { found = collect_neighbors(dataplane.context(), bridge); });
  auto rows = Napi::Array::New(env);
  for (const auto& [key, neighbor, port] : found) {
    auto row = Napi::Object::New(env);
    row.Set("ip", from_ip(env, key.ip));
    row.Set("mac", from_mac(env, neighbor.mac));
    row.Set("vlan", from_vlan(env, plan(info).context().domains[key.space].vlan));
    row.Set("static", Napi::Boolean::New(env, neighbor.is_static));
    row.Set("port", Napi::Number::New(env, port));
    rows.Set(rows.Length(), row);
  }
  return rows;
}

Napi::Value DataplaneObject::counters(Info info) {
  std::vector<CounterRow> sum;
  for (uint32_t worker = 0; worker < engine(info).worker_count(); ++worker) {
    engine(info).ask(worker, [&](Dataplane& dataplane) {
      const std::vector<CounterRow>& rows = dataplane.context().counters.rows();
      sum.resize(rows.size() + 1);
      for (size_t i = 0; i < sum.size(); ++i) {
        const CounterRow& row = i < rows.size() ? rows[i] : dataplane.context().counters.retired();
        for (size_t k = 0; k < kCounterCount; ++k) sum[i].values[k] += row.values[k];
      }
    });
  }
  auto out = Napi::BigUint64Array::New(info.Env(), sum.size() * kCounterCount);
  uint64_t* to = out.Data();
  for (const CounterRow& row : sum) to = std::copy_n(row.values, kCounterCount, to);
  return out;
}

Napi::Value DataplaneObject::events(Info info) {
  static constexpr const char* kKinds[] = {"miss", "mtu", "link", "failure", "encryption"};
  static constexpr const char* kReasons[kAlertCount] = {"no-key", "exhausted", "limit-near", "engine", "stale"};
  static constexpr const char* kStates[] = {"up", "down", "gone"};
  Napi::Env env = info.Env();
  const Context& context = plan(info).context();
  auto rows = Napi::Array::New(env);
  engine(info).take_events([&](const Event& event) {
    const Domain& domain = context.domains[event.domain];
    if (event.kind == EventKind::miss && !domain.used) return;
    auto row = Napi::Object::New(env);
    row.Set("kind", kKinds[static_cast<size_t>(event.kind)]);
    row.Set("state", kStates[static_cast<size_t>(event.state)]);
    row.Set("port", Napi::Number::New(env, event.port));
    row.Set("bridge", Napi::Number::New(env, domain.bridge));
    row.Set("vlan", from_vlan(env, domain.vlan));
    row.Set("ip", from_ip(env, event.ip));
    row.Set("value", Napi::Number::New(env, event.value));
    row.Set("reason", event.kind == EventKind::alert ? kReasons[event.reason] : "");
    row.Set("timestamp", Napi::BigInt::New(env, event.time));
    rows.Set(rows.Length(), row);
  });
  return rows;
}

Napi::Value DataplaneObject::port_error(Info info) {
  Napi::Env env = info.Env();
  const uint16_t index = port(info, info[0]);
  std::string message;
  const char* code = "";
  for (uint32_t worker = 0; worker < engine(info).worker_count() && message.empty(); ++worker) {
    engine(info).ask(worker, [&](Dataplane& dataplane) {
      message = dataplane.port(index)->error();
      code = dataplane.port(index)->error_name();
    });
  }
  if (message.empty()) return env.Null();
  auto error = Napi::Object::New(env);
  error.Set("code", code);
  error.Set("message", message);
  return error;
}

}  // namespace overlane
