// Ports and underlays of live traffic: from options to open descriptors, one port object a worker.
#include "binding/convert.h"
#include "binding/dataplane.h"
#include "binding/error.h"
#include "port/af_packet.h"
#include "port/esp.h"
#include "port/tap.h"
#include "port/udp.h"
#include "port/xdp.h"

namespace overlane {

namespace {

using Ports = std::vector<std::unique_ptr<Port>>;

std::string read_netns(const Napi::Object& o) {
  return to_text(o.Get("netns"));
}

LinkSettings read_link(const Napi::Object& o) {
  LinkSettings link;
  if (!o.Get("alias").IsNull()) link.alias = to_text(o.Get("alias"));
  if (!o.Get("mac").IsNull()) link.mac = to_mac(o.Get("mac"));
  link.mtu = to_u32(o.Get("mtu"));
  if (const uint32_t size = to_u32(o.Get("gsoMaxSize"))) link.gso_max_size = size;
  auto addresses = o.Get("addresses").As<Napi::Array>();
  for (uint32_t i = 0; i < addresses.Length(); ++i) {
    link.addresses.push_back(to_prefix(addresses.Get(i)));
  }
  auto routes = o.Get("routes").As<Napi::Array>();
  for (uint32_t i = 0; i < routes.Length(); ++i) {
    link.routes.push_back(to_route(routes.Get(i)));
  }
  return link;
}

UnderlayOptions read_underlay(const Napi::Object& o) {
  UnderlayOptions underlay;
  underlay.datagrams = true;
  underlay.udp_port = to_u16(o.Get("udpPort"));
  underlay.ttl = static_cast<uint8_t>(to_u32(o.Get("ttl")));
  underlay.local = to_ip(o.Get("local"));
  underlay.esp = to_esp(o.Get("esp"));
  underlay.esp_port = to_u16(o.Get("espPort"));
  underlay.trains = underlay.esp == EspCarriage::udp;
  // Inside ESP over IPv6: a kernel at the other end wants it.
  underlay.send_checksum = underlay.esp == EspCarriage::ip && !underlay.local.is_v4();
  return underlay;
}

UdpPort::Options read_udp(const Napi::Object& o, const UnderlayOptions& underlay, const std::string& netns) {
  UdpPort::Options options;
  options.netns = netns;
  options.local = underlay.local;
  options.trains = options.steer_by_source = underlay.esp == EspCarriage::udp;
  options.udp_port = options.trains ? underlay.esp_port : underlay.udp_port;
  options.ttl = underlay.ttl;
  options.mtu = to_u32(o.Get("mtu"));
  options.source_ports = to_u32(o.Get("sourcePorts"));
  options.receive_buffer = to_u32(o.Get("receiveBuffer"));
  options.send_buffer = to_u32(o.Get("sendBuffer"));
  options.gso = options.gro = to_bool(o.Get("offload"));
  return options;
}

EspPort::Options read_esp(const Napi::Object& o, const UnderlayOptions& underlay, const std::string& netns) {
  EspPort::Options options;
  options.netns = netns;
  options.local = underlay.local;
  options.ttl = underlay.ttl;
  options.mtu = to_u32(o.Get("mtu"));
  options.receive_buffer = to_u32(o.Get("receiveBuffer"));
  options.send_buffer = to_u32(o.Get("sendBuffer"));
  return options;
}

// What becomes of the interface that has the address is told, if there is one: an underlay works without, too.
void watch_link_of(IpAddress ip, const std::string& netns, uint16_t port, Engine& engine) {
  LinkDetails link;
  std::string name;
  if (in_namespace(netns, [&] { return find_link_of(ip, link, name); })) engine.watch_link(port, netns, name);
}

}  // namespace

// Adds what was opened, and has its interface watched.
Napi::Value DataplaneObject::opened(Info info, Ports ports, const LinkDetails& link, const std::string& interface,
                                    const std::string& detail) {
  Napi::Env env = info.Env();
  const std::string netns = read_netns(info[0].As<Napi::Object>());
  const uint16_t index = add_port(info, std::move(ports), link.mtu);
  const NetResult watched = engine(info).watch_link(index, netns, interface);
  if (!watched) {
    engine(info).remove_port(index, link.tap && link.tap->persistent);  // which was there before
    check(env, watched);
  }
  auto result = Napi::Object::New(env);
  result.Set("port", Napi::Number::New(env, index));
  result.Set("mtu", Napi::Number::New(env, link.mtu));
  result.Set("mac", from_mac(env, link.mac));
  result.Set("detail", detail);
  return result;
}

// Ports that one worker receives from are dealt out in turn.
uint32_t DataplaneObject::next_owner(Info info) {
  return owners_++ % engine(info).worker_count();
}

Napi::Value DataplaneObject::add_tap_port(Info info) {
  auto o = info[0].As<Napi::Object>();
  TapPort::Options options;
  options.netns = read_netns(o);
  options.name = to_text(o.Get("interface"));
  options.queues = to_u32(o.Get("queues"));
  options.offload = to_bool(o.Get("offload"));
  options.persistent = to_bool(o.Get("persistent"));
  options.link = read_link(o);
  check_room(info);
  Ports ports;
  LinkDetails link;
  const uint32_t owner = next_owner(info);
  const auto open = [&] { return TapPort::open(options, engine(info).worker_count(), owner, ports, link); };
  NetResult opened_now = open();
  if (!opened_now && std::string(opened_now.code) == "ERR_OVERLANE_BUSY") {
    engine(info).wait_for_removed();  // the name may be one of theirs
    opened_now = open();
  }
  check(info.Env(), opened_now);
  return opened(info, std::move(ports), link, options.name, "");
}

Napi::Value DataplaneObject::add_packet_port(Info info) {
  auto o = info[0].As<Napi::Object>();
  AfPacketPort::Options options;
  options.netns = read_netns(o);
  options.interface = to_text(o.Get("interface"));
  options.promiscuous = to_bool(o.Get("promiscuous"));
  options.offload = to_bool(o.Get("offload"));
  options.ring_bytes = to_u32(o.Get("ringBytes"));
  options.queues = engine(info).worker_count();
  Ports ports;
  LinkDetails link;
  check(info.Env(), AfPacketPort::open(options, engine(info).worker_count(), 0, ports, link));
  return opened(info, std::move(ports), link, options.interface, "");
}

Napi::Value DataplaneObject::add_xdp_port(Info info) {
  auto o = info[0].As<Napi::Object>();
  XdpPort::Options options;
  options.netns = read_netns(o);
  options.interface = to_text(o.Get("interface"));
  options.queues = to_u32(o.Get("queues"));
  options.frames = to_u32(o.Get("frames"));
  const std::string copy = to_text(o.Get("mode"));
  options.copy = copy == "copy" ? XdpCopy::always : copy == "zero-copy" ? XdpCopy::never : XdpCopy::automatic;
  Ports ports;
  LinkDetails link;
  std::string mode;
  check(info.Env(), open_xdp(options, engine(info).worker_count(), 0, ports, link, mode));
  return opened(info, std::move(ports), link, options.interface, mode);
}

// Sockets of an underlay: UDP, or raw ones of ESP.
Napi::Value DataplaneObject::add_udp_underlay(Info info) {
  Napi::Env env = info.Env();
  auto o = info[0].As<Napi::Object>();
  UnderlayOptions underlay = read_underlay(o);
  const std::string netns = read_netns(o);
  Ports ports;
  uint32_t mtu = to_u32(o.Get("mtu"));
  const uint32_t workers = engine(info).worker_count();
  check(env, underlay.esp == EspCarriage::ip ? open_esp(read_esp(o, underlay, netns), workers, ports, mtu)
                                             : open_udp(read_udp(o, underlay, netns), workers, ports, mtu));
  const uint16_t index = add_port(info, std::move(ports), mtu);
  underlay.port = index;
  underlay.mtu = mtu;
  const uint16_t added = change(info, [&](Dataplane& to) { return to.add_underlay(underlay); });
  watch_link_of(underlay.local, netns, index, engine(info));
  auto result = Napi::Object::New(env);
  result.Set("underlay", Napi::Number::New(env, added));
  result.Set("port", Napi::Number::New(env, index));
  result.Set("mtu", Napi::Number::New(env, mtu));
  return result;
}

}  // namespace overlane
