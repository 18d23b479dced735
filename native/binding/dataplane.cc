#include "binding/dataplane.h"

#include <new>

#include "binding/convert.h"
#include "binding/error.h"

namespace overlane {

namespace {

DataplaneOptions read_options(const Napi::Object& o, bool live) {
  DataplaneOptions options;
  options.live = live;
  options.fdb = static_cast<FdbKind>(to_u32(o.Get("fdbKind")));
  options.burst = to_u32(o.Get("burst"));
  options.fdb_entries = to_u32(o.Get("fdbEntries"));
  options.neighbor_entries = to_u32(o.Get("neighborEntries"));
  options.small_packets = to_u32(o.Get("smallPackets"));
  options.large_packets = to_u32(o.Get("largePackets"));
  options.seed = to_u64(o.Get("seed"));
  return options;
}

// Not by Napi::Function::Call(), whose exception ends the process when JavaScript may not run any more, as at its end.
void call_listener(Napi::Env env, Napi::Function listener) {
  if (env != nullptr && !listener.IsEmpty()) napi_call_function(env, env.Global(), listener, 0, nullptr, nullptr);
}

}  // namespace

DataplaneObject::DataplaneObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DataplaneObject>(info) {
  auto o = info[0].As<Napi::Object>();
  auto list = o.Get("workers").As<Napi::Array>();
  std::vector<WorkerOptions> workers;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    auto worker = list.Get(i).As<Napi::Object>();
    workers.push_back({worker.Get("cpu").As<Napi::Number>().Int32Value(), to_i64(o.Get("spinNs"))});
  }
  if (!workers.empty()) {
    notify_ = Napi::ThreadSafeFunction::New(info.Env(), o.Get("notify").As<Napi::Function>(), "overlane", 1, 1);
    notify_.Unref(info.Env());
  }
  // Queue of one: a call that waits tells of everything since.
  auto notify = [tell = notify_]() mutable { tell.NonBlockingCall(call_listener); };
  try {
    engine_ = std::make_unique<Engine>(read_options(o, !workers.empty()), workers,
                                       workers.empty() ? [] {} : std::function<void()>(notify));
  } catch (const std::bad_alloc&) {
    throw_error(info.Env(), "ERR_OVERLANE_LIMIT",
                "not enough memory for the dataplane's tables and packet buffers: lower fdbEntries or packets");
  }
}

DataplaneObject::~DataplaneObject() {
  if (!engine_) return;
  const bool manual = engine_->manual();
  engine_.reset();  // first, as its threads call notify_
  if (!manual) notify_.Release();
}

Engine& DataplaneObject::engine(Info info) {
  if (!engine_) throw_error(info.Env(), "ERR_OVERLANE_CLOSED", "the dataplane is closed");
  return *engine_;
}

uint16_t DataplaneObject::port(Info info, const Napi::Value& value) {
  const uint32_t index = to_u32(value);
  if (index >= memory_ports_.size() || plan(info).port(static_cast<uint16_t>(index)) == nullptr) {
    throw_error(info.Env(), "ERR_OVERLANE_MISSING", "there is no such port: it was removed");
  }
  return static_cast<uint16_t>(index);
}

// The domain of (bridge, VLAN), the first two arguments of many methods.
uint16_t DataplaneObject::domain(Info info) {
  const uint16_t index = plan(info).domain_of(to_u16(info[0]), to_u16(info[1]));
  if (index == kNoDomain) {
    throw_error(info.Env(), "ERR_OVERLANE_MISSING", "the bridge does not map this VLAN: name it in its `vlans`");
  }
  return index;
}

Napi::Value DataplaneObject::add_frame_underlay(Info info) {
  auto o = info[0].As<Napi::Object>();
  UnderlayOptions options;
  options.port = port(info, o.Get("port"));
  options.udp_port = to_u16(o.Get("udpPort"));
  options.ttl = static_cast<uint8_t>(to_u32(o.Get("ttl")));
  options.send_checksum = to_bool(o.Get("sendChecksum"));
  options.verify_checksum = to_bool(o.Get("verifyChecksum"));
  options.mtu = to_u32(o.Get("mtu"));
  options.local = to_ip(o.Get("local"));
  options.mac = to_mac(o.Get("mac"));
  options.resolve = to_bool(o.Get("resolve"));
  const int32_t prefix = o.Get("prefixLength").As<Napi::Number>().Int32Value();
  options.prefix_length = prefix < 0 ? 0 : static_cast<uint8_t>(prefix);
  if (!o.Get("gateway").IsNull()) options.gateway = to_ip(o.Get("gateway"));
  options.esp = to_esp(o.Get("esp"));
  options.esp_port = to_u16(o.Get("espPort"));
  return Napi::Number::New(info.Env(), change(info, [&](Dataplane& to) { return to.add_underlay(options); }));
}

void DataplaneObject::add_underlay_neighbor(Info info) {
  const uint16_t underlay = to_u16(info[0]);
  const IpAddress ip = to_ip(info[1]);
  const Mac mac = to_mac(info[2]);
  change(info, [&](Dataplane& to) { to.set_next_hop(underlay, ip, mac); });
}

void DataplaneObject::remove_underlay(Info info) {
  const uint16_t underlay = to_u16(info[0]);
  change(info, [&](Dataplane& to) { to.remove_underlay(underlay); });
}

Napi::Value DataplaneObject::add_bridge(Info info) {
  auto o = info[0].As<Napi::Object>();
  BridgeOptions options;
  const int32_t underlay = o.Get("underlay").As<Napi::Number>().Int32Value();
  options.underlay = underlay < 0 ? kNoUnderlay : static_cast<uint16_t>(underlay);
  auto domains = o.Get("domains").As<Napi::Array>();
  for (uint32_t i = 0; i < domains.Length(); ++i) {
    auto wanted = domains.Get(i).As<Napi::Object>();
    options.domains.push_back({to_u16(wanted.Get("vlan")), wanted.Get("vni").As<Napi::Number>().Int32Value()});
  }
  Domain& policy = options.policy;
  policy.keyring = to_u16(o.Get("keyring"));
  policy.forwarding = static_cast<Forwarding>(to_u32(o.Get("forwarding")));
  if (!o.Get("mac").IsNull()) policy.mac = to_mac(o.Get("mac"));
  policy.proxy_arp = to_bool(o.Get("proxyArp"));
  policy.arp_snooping = to_bool(o.Get("arpSnooping"));
  policy.learning = to_bool(o.Get("learning"));
  policy.learn_remote = to_bool(o.Get("learnRemote"));
  policy.flood_unknown = to_bool(o.Get("unknownUnicastFlood"));
  policy.flood_broadcast = to_bool(o.Get("broadcastFlood"));
  policy.flood_multicast = to_bool(o.Get("multicastFlood"));
  policy.flood_miss = to_bool(o.Get("missFlood"));
  const int64_t ageing = to_i64(o.Get("ageingNs"));
  options.ageing = ageing == 0 ? kNoAgeing : static_cast<Tick>(std::min<int64_t>(ageing >> kTickShift, kNoAgeing - 1));
  options.fdb_limit = to_u32(o.Get("fdbLimit"));
  options.port_fdb_limit = to_u32(o.Get("portFdbLimit"));
  return Napi::Number::New(info.Env(), change(info, [&](Dataplane& to) { return to.add_bridge(options); }));
}

void DataplaneObject::remove_bridge(Info info) {
  const uint16_t bridge = to_u16(info[0]);
  change(info, [&](Dataplane& to) { to.remove_bridge(bridge); });
}

void DataplaneObject::add_vtep(Info info) {
  const uint16_t in = domain(info);
  const IpAddress vtep = to_ip(info[2]);
  const bool flood = to_bool(info[3]);
  change(info, [&](Dataplane& to) { to.add_vtep(in, vtep, flood); });
}

void DataplaneObject::remove_vtep(Info info) {
  const uint16_t in = domain(info);
  const IpAddress vtep = to_ip(info[2]);
  change(info, [&](Dataplane& to) { to.remove_vtep(in, vtep); });
}

void DataplaneObject::add_fdb(Info info) {
  const uint16_t in = domain(info);
  Place place;
  if (info[4].IsNull()) {
    place = attached(info, info[0], info[3]);
  } else {
    place = plan(info).tunnel_to(in, to_ip(info[4]));
    if (place == kNowhere) throw_error(info.Env(), "ERR_OVERLANE_MISSING", "the VTEP is not known: add it first");
  }
  const Mac mac = to_mac(info[2]);
  if (!change(info, [&](Dataplane& to) { return to.add_fdb(in, mac, place); })) {
    throw_error(info.Env(), "ERR_OVERLANE_LIMIT", "the FDB is full: raise fdbEntries of the dataplane");
  }
}

Napi::Value DataplaneObject::remove_fdb(Info info) {
  const uint16_t in = domain(info);
  const Mac mac = to_mac(info[2]);
  return Napi::Boolean::New(info.Env(), change(info, [&](Dataplane& to) { return to.remove_fdb(in, mac); }));
}

void DataplaneObject::add_neighbor(Info info) {
  const uint16_t in = domain(info);
  const IpAddress ip = to_ip(info[2]);
  const Mac mac = to_mac(info[3]);
  if (!change(info, [&](Dataplane& to) { return to.add_neighbor(in, ip, mac); })) {
    throw_error(info.Env(), "ERR_OVERLANE_LIMIT", "the neighbor table is full: raise neighborEntries of the dataplane");
  }
}

Napi::Value DataplaneObject::remove_neighbor(Info info) {
  const uint16_t in = domain(info);
  const IpAddress ip = to_ip(info[2]);
  return Napi::Boolean::New(info.Env(), change(info, [&](Dataplane& to) { return to.remove_neighbor(in, ip); }));
}

void DataplaneObject::start(Info info) {
  const NetResult started = engine(info).start();
  if (!started) throw_error(info.Env(), started.code, started.message);
  notify_.Ref(info.Env());
}

void DataplaneObject::close(Info info) {
  if (!engine_) return;
  const bool manual = engine_->manual();
  engine_->stop();
  engine_->plan().flush();
  engine_.reset();
  if (manual) return;
  notify_.Unref(info.Env());
  notify_.Release();
}

void DataplaneObject::init(Napi::Env env, Napi::Object exports) {
  using Self = DataplaneObject;
  exports.Set("Dataplane", DefineClass(env, "Dataplane",
                                       {
                                           InstanceMethod<&Self::add_memory_port>("addMemoryPort"),
                                           InstanceMethod<&Self::add_pcap_port>("addPcapPort"),
                                           InstanceMethod<&Self::remove_port>("removePort"),
                                           InstanceMethod<&Self::add_frame_underlay>("addFrameUnderlay"),
                                           InstanceMethod<&Self::add_underlay_neighbor>("addUnderlayNeighbor"),
                                           InstanceMethod<&Self::remove_underlay>("removeUnderlay"),
                                           InstanceMethod<&Self::add_bridge>("addBridge"),
                                           InstanceMethod<&Self::remove_bridge>("removeBridge"),
                                           InstanceMethod<&Self::attach>("attach"),
                                           InstanceMethod<&Self::detach>("detach"),
                                           InstanceMethod<&Self::add_address>("addAddress"),
                                           InstanceMethod<&Self::remove_address>("removeAddress"),
                                           InstanceMethod<&Self::add_vtep>("addVtep"),
                                           InstanceMethod<&Self::remove_vtep>("removeVtep"),
                                           InstanceMethod<&Self::add_fdb>("addFdb"),
                                           InstanceMethod<&Self::remove_fdb>("removeFdb"),
                                           InstanceMethod<&Self::add_neighbor>("addNeighbor"),
                                           InstanceMethod<&Self::remove_neighbor>("removeNeighbor"),
                                           InstanceMethod<&Self::add_router>("addRouter"),
                                           InstanceMethod<&Self::remove_router>("removeRouter"),
                                           InstanceMethod<&Self::add_interface>("addInterface"),
                                           InstanceMethod<&Self::remove_interface>("removeInterface"),
                                           InstanceMethod<&Self::fdb>("fdb"),
                                           InstanceMethod<&Self::neighbors>("neighbors"),
                                           InstanceMethod<&Self::counters>("counters"),
                                           InstanceMethod<&Self::port_error>("portError"),
                                           InstanceMethod<&Self::inject>("inject"),
                                           InstanceMethod<&Self::drain>("drain"),
                                           InstanceMethod<&Self::run>("run"),
                                           InstanceMethod<&Self::now>("now"),
                                           InstanceMethod<&Self::flush>("flush"),
                                           InstanceMethod<&Self::start>("start"),
                                           InstanceMethod<&Self::events>("events"),
                                           InstanceMethod<&Self::add_tap_port>("addTapPort"),
                                           InstanceMethod<&Self::add_packet_port>("addPacketPort"),
                                           InstanceMethod<&Self::add_xdp_port>("addXdpPort"),
                                           InstanceMethod<&Self::add_udp_underlay>("addUdpUnderlay"),
                                           InstanceMethod<&Self::add_keyring>("addKeyring"),
                                           InstanceMethod<&Self::set_keys>("setKeys"),
                                           InstanceMethod<&Self::remove_keyring>("removeKeyring"),
                                           InstanceMethod<&Self::add_capture>("addCapture"),
                                           InstanceMethod<&Self::captured>("captured"),
                                           InstanceMethod<&Self::capture_lost>("captureLost"),
                                           InstanceMethod<&Self::stop_capture>("stopCapture"),
                                           InstanceMethod<&Self::remove_capture>("removeCapture"),
                                           InstanceMethod<&Self::close>("close"),
                                       }));
}

}  // namespace overlane
