#include "binding/dataplane.h"

#include <new>

#include "binding/convert.h"
#include "binding/error.h"
#include "port/pcap.h"

namespace overlane {

namespace {

DataplaneOptions read_options(const Napi::Object& o) {
  DataplaneOptions options;
  options.fdb = static_cast<FdbKind>(to_u32(o.Get("fdbKind")));
  options.burst = to_u32(o.Get("burst"));
  options.fdb_entries = to_u32(o.Get("fdbEntries"));
  options.neighbor_entries = to_u32(o.Get("neighborEntries"));
  options.small_packets = to_u32(o.Get("smallPackets"));
  options.large_packets = to_u32(o.Get("largePackets"));
  options.seed = to_u64(o.Get("seed"));
  return options;
}

}  // namespace

DataplaneObject::DataplaneObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DataplaneObject>(info) {
  try {
    dataplane_ = std::make_unique<Dataplane>(read_options(info[0].As<Napi::Object>()));
  } catch (const std::bad_alloc&) {
    throw_error(info.Env(), "ERR_OVERLANE_LIMIT",
                "not enough memory for the dataplane's tables and packet buffers: lower fdbEntries or packets");
  }
}

Dataplane& DataplaneObject::dataplane(Info info) {
  if (!dataplane_) throw_error(info.Env(), "ERR_OVERLANE_CLOSED", "the dataplane is closed");
  return *dataplane_;
}

uint16_t DataplaneObject::port(Info info, const Napi::Value& value) {
  const uint32_t index = to_u32(value);
  if (index >= memory_ports_.size() || dataplane(info).port(static_cast<uint16_t>(index)) == nullptr) {
    throw_error(info.Env(), "ERR_OVERLANE_MISSING", "there is no such port: it was removed");
  }
  return static_cast<uint16_t>(index);
}

// The domain of (bridge, VLAN), the first two arguments of many methods.
uint16_t DataplaneObject::domain(Info info) {
  const uint16_t index = dataplane(info).domain_of(to_u16(info[0]), to_u16(info[1]));
  if (index == kNoDomain) {
    throw_error(info.Env(), "ERR_OVERLANE_MISSING", "the bridge does not map this VLAN: name it in its `vlans`");
  }
  return index;
}

uint16_t DataplaneObject::add_port(Info info, std::unique_ptr<Port> port, uint32_t mtu) {
  if (memory_ports_.size() >= Dataplane::kMaxPorts) {
    throw_error(info.Env(), "ERR_OVERLANE_LIMIT", "a dataplane has at most 65534 ports in its life");
  }
  const uint16_t index = dataplane(info).add_port(std::move(port), mtu);
  memory_ports_.push_back(nullptr);
  return index;
}

Napi::Value DataplaneObject::add_memory_port(Info info) {
  auto o = info[0].As<Napi::Object>();
  MemoryPort::Options options;
  options.queue_bytes = static_cast<size_t>(o.Get("queueBytes").As<Napi::Number>().DoubleValue());
  options.loop = to_bool(o.Get("loop"));
  options.discard = to_bool(o.Get("discard"));
  auto port = std::make_unique<MemoryPort>(options);
  MemoryPort* memory = port.get();
  const uint16_t index = add_port(info, std::move(port), to_u32(o.Get("mtu")));
  memory_ports_[index] = memory;
  return Napi::Number::New(info.Env(), index);
}

Napi::Value DataplaneObject::add_pcap_port(Info info) {
  auto o = info[0].As<Napi::Object>();
  auto port = std::make_unique<PcapPort>();
  if (!port->open(to_text(o.Get("read")), to_text(o.Get("write")))) {
    throw_error(info.Env(), port->error_name(), port->error());
  }
  return Napi::Number::New(info.Env(), add_port(info, std::move(port), to_u32(o.Get("mtu"))));
}

void DataplaneObject::remove_port(Info info) {
  const uint16_t index = port(info, info[0]);
  dataplane(info).remove_port(index);
  memory_ports_[index] = nullptr;
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
  return Napi::Number::New(info.Env(), dataplane(info).add_underlay(options));
}

void DataplaneObject::add_underlay_neighbor(Info info) {
  dataplane(info).set_next_hop(to_u16(info[0]), to_ip(info[1]), to_mac(info[2]));
}

void DataplaneObject::remove_underlay(Info info) {
  dataplane(info).remove_underlay(to_u16(info[0]));
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
  return Napi::Number::New(info.Env(), dataplane(info).add_bridge(options));
}

void DataplaneObject::remove_bridge(Info info) {
  dataplane(info).remove_bridge(to_u16(info[0]));
}

void DataplaneObject::attach(Info info) {
  auto o = info[2].As<Napi::Object>();
  dataplane(info).attach(to_u16(info[0]), port(info, info[1]),
                         {to_bool(o.Get("isolated")), to_bool(o.Get("learning")), to_u32(o.Get("fdbLimit"))});
}

void DataplaneObject::detach(Info info) {
  dataplane(info).detach(port(info, info[0]));
}

void DataplaneObject::add_vtep(Info info) {
  dataplane(info).add_vtep(domain(info), to_ip(info[2]), to_bool(info[3]));
}

void DataplaneObject::remove_vtep(Info info) {
  dataplane(info).remove_vtep(domain(info), to_ip(info[2]));
}

void DataplaneObject::add_fdb(Info info) {
  const uint16_t in = domain(info);
  Place place;
  if (info[4].IsNull()) {
    place = port(info, info[3]);
  } else {
    place = dataplane(info).tunnel_to(in, to_ip(info[4]));
    if (place == kNowhere) throw_error(info.Env(), "ERR_OVERLANE_MISSING", "the VTEP is not known: add it first");
  }
  if (!dataplane(info).add_fdb(in, to_mac(info[2]), place)) {
    throw_error(info.Env(), "ERR_OVERLANE_LIMIT", "the FDB is full: raise fdbEntries of the dataplane");
  }
}

Napi::Value DataplaneObject::remove_fdb(Info info) {
  return Napi::Boolean::New(info.Env(), dataplane(info).remove_fdb(domain(info), to_mac(info[2])));
}

void DataplaneObject::add_neighbor(Info info) {
  if (!dataplane(info).add_neighbor(domain(info), to_ip(info[2]), to_mac(info[3]))) {
    throw_error(info.Env(), "ERR_OVERLANE_LIMIT", "the neighbor table is full: raise neighborEntries of the dataplane");
  }
}

Napi::Value DataplaneObject::remove_neighbor(Info info) {
  return Napi::Boolean::New(info.Env(), dataplane(info).remove_neighbor(domain(info), to_ip(info[2])));
}

void DataplaneObject::close(Info) {
  if (dataplane_) dataplane_->flush();
  dataplane_.reset();
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
                                           InstanceMethod<&Self::add_vtep>("addVtep"),
                                           InstanceMethod<&Self::remove_vtep>("removeVtep"),
                                           InstanceMethod<&Self::add_fdb>("addFdb"),
                                           InstanceMethod<&Self::remove_fdb>("removeFdb"),
                                           InstanceMethod<&Self::add_neighbor>("addNeighbor"),
                                           InstanceMethod<&Self::remove_neighbor>("removeNeighbor"),
                                           InstanceMethod<&Self::fdb>("fdb"),
                                           InstanceMethod<&Self::neighbors>("neighbors"),
                                           InstanceMethod<&Self::counters>("counters"),
                                           InstanceMethod<&Self::misses>("misses"),
                                           InstanceMethod<&Self::port_error>("portError"),
                                           InstanceMethod<&Self::inject>("inject"),
                                           InstanceMethod<&Self::drain>("drain"),
                                           InstanceMethod<&Self::run>("run"),
                                           InstanceMethod<&Self::now>("now"),
                                           InstanceMethod<&Self::flush>("flush"),
                                           InstanceMethod<&Self::close>("close"),
                                       }));
}

}  // namespace overlane
