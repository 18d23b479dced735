// Network namespaces, and what is in them: interfaces, addresses, routes, settings. The first argument is always the
// path of a namespace; where it says so, null for that of this process.
#include <net/if.h>

#include "binding/convert.h"
#include "binding/error.h"
#include "binding/system.h"
#include "net/link_table.h"
#include "net/namespace_file.h"
#include "net/sysctl.h"

namespace overlane {

namespace {

using Info = const Napi::CallbackInfo&;

// Does it in the namespace that the first argument names: in another thread, so without JavaScript.
template <typename Work>
void there(Info info, Work work) {
  check(info.Env(), in_namespace(to_text(info[0]), work));
}

void make_namespace(Info info) {
  check(info.Env(), create_namespace(to_text(info[0])));
}

void remove_namespace(Info info) {
  check(info.Env(), delete_namespace(to_text(info[0])));
}

Napi::Value has_namespace(Info info) {
  return Napi::Boolean::New(info.Env(), is_namespace(to_text(info[0])));
}

Napi::Value id_of_namespace(Info info) {
  std::string id;
  check(info.Env(), namespace_id(to_text(info[0]), id));
  return Napi::String::New(info.Env(), id);
}

Napi::Value links(Info info) {
  Napi::Env env = info.Env();
  std::vector<LinkDetails> found;
  there(info, [&] { return list_links(found); });
  auto rows = Napi::Array::New(env, found.size());
  for (uint32_t i = 0; i < found.size(); ++i) {
    const LinkDetails& link = found[i];
    auto row = Napi::Object::New(env);
    row.Set("index", Napi::Number::New(env, link.index));
    row.Set("name", link.name);
    row.Set("kind", link.kind);
    row.Set("mac", from_mac(env, link.mac));
    row.Set("mtu", Napi::Number::New(env, link.mtu));
    row.Set("up", Napi::Boolean::New(env, (link.flags & IFF_UP) != 0));
    row.Set("alias", link.alias);
    rows.Set(i, row);
  }
  return rows;
}

Napi::Value from_prefix(Napi::Env env, const IpPrefix& prefix) {
  auto o = Napi::Object::New(env);
  o.Set("ip", from_ip(env, prefix.ip));
  o.Set("length", Napi::Number::New(env, prefix.length));
  return o;
}

Napi::Value addresses(Info info) {
  Napi::Env env = info.Env();
  std::vector<AddressRow> found;
  there(info, [&] { return list_addresses(found); });
  auto rows = Napi::Array::New(env, found.size());
  for (uint32_t i = 0; i < found.size(); ++i) {
    auto row = Napi::Object::New(env);
    row.Set("link", found[i].link);
    row.Set("address", from_prefix(env, found[i].address));
    rows.Set(i, row);
  }
  return rows;
}

Napi::Value routes(Info info) {
  Napi::Env env = info.Env();
  std::vector<RouteRow> found;
  there(info, [&] { return list_routes(found); });
  auto rows = Napi::Array::New(env, found.size());
  for (uint32_t i = 0; i < found.size(); ++i) {
    auto row = Napi::Object::New(env);
    row.Set("to", from_prefix(env, found[i].to));
    row.Set("via", found[i].via ? from_ip(env, *found[i].via) : env.Null());
    row.Set("link", found[i].link);
    rows.Set(i, row);
  }
  return rows;
}

void remove_link(Info info) {
  const std::string name = to_text(info[1]);
  there(info, [&] { return delete_link(name); });
}

void change_link_name(Info info) {
  const std::string name = to_text(info[1]);
  const std::string to = to_text(info[2]);
  there(info, [&] { return rename_link(name, to); });
}

void set_link(Info info) {
  auto o = info[2].As<Napi::Object>();
  LinkSettings settings;
  settings.up = std::nullopt;
  if (!o.Get("up").IsNull()) settings.up = to_bool(o.Get("up"));
  if (!o.Get("arp").IsNull()) settings.arp = to_bool(o.Get("arp"));
  if (!o.Get("mtu").IsNull()) settings.mtu = to_u32(o.Get("mtu"));
  if (!o.Get("mac").IsNull()) settings.mac = to_mac(o.Get("mac"));
  if (!o.Get("alias").IsNull()) settings.alias = to_text(o.Get("alias"));
  const std::string name = to_text(info[1]);
  there(info, [&] { return configure_link(name, settings); });
}

void change_address(Info info) {
  const std::string name = to_text(info[1]);
  const IpPrefix address = to_prefix(info[2]);
  LinkSettings settings;
  settings.up = std::nullopt;
  settings.addresses = {address};
  const bool add = to_bool(info[3]);
  there(info, [&] { return add ? configure_link(name, settings) : remove_address(name, address); });
}

void change_route(Info info) {
  const std::string name = to_text(info[1]);
  Route route = to_route(info[2]);
  const Napi::Value scope = info[2].As<Napi::Object>().Get("scope");
  if (!scope.IsNull()) route.scope = static_cast<uint8_t>(to_u32(scope));
  LinkSettings settings;
  settings.up = std::nullopt;
  settings.routes = {route};
  const bool add = to_bool(info[3]);
  there(info, [&] { return add ? configure_link(name, settings) : remove_route(name, route); });
}

Napi::Value get_sysctl(Info info) {
  std::string value;
  const std::string path = to_text(info[1]);
  there(info, [&] { return read_sysctl(path, value); });
  return Napi::String::New(info.Env(), value);
}

void set_sysctl(Info info) {
  const std::string path = to_text(info[1]);
  const std::string value = to_text(info[2]);
  there(info, [&] { return write_sysctl(path, value); });
}

}  // namespace

void init_netns(Napi::Env env, Napi::Object exports) {
  exports.Set("createNamespace", Napi::Function::New<make_namespace>(env, "createNamespace"));
  exports.Set("deleteNamespace", Napi::Function::New<remove_namespace>(env, "deleteNamespace"));
  exports.Set("isNamespace", Napi::Function::New<has_namespace>(env, "isNamespace"));
  exports.Set("namespaceId", Napi::Function::New<id_of_namespace>(env, "namespaceId"));
  exports.Set("listLinks", Napi::Function::New<links>(env, "listLinks"));
  exports.Set("listAddresses", Napi::Function::New<addresses>(env, "listAddresses"));
  exports.Set("listRoutes", Napi::Function::New<routes>(env, "listRoutes"));
  exports.Set("deleteLink", Napi::Function::New<remove_link>(env, "deleteLink"));
  exports.Set("renameLink", Napi::Function::New<change_link_name>(env, "renameLink"));
  exports.Set("setLink", Napi::Function::New<set_link>(env, "setLink"));
  exports.Set("changeAddress", Napi::Function::New<change_address>(env, "changeAddress"));
  exports.Set("changeRoute", Napi::Function::New<change_route>(env, "changeRoute"));
  exports.Set("readSysctl", Napi::Function::New<get_sysctl>(env, "readSysctl"));
  exports.Set("writeSysctl", Napi::Function::New<set_sysctl>(env, "writeSysctl"));
}

}  // namespace overlane
