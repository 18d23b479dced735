// Ports: those of memory and captures, and what all kinds have in common.
#include "binding/convert.h"
#include "binding/dataplane.h"
#include "binding/error.h"
#include "port/memory.h"
#include "port/pcap.h"

namespace overlane {

// A port that exists once: of the only worker.
uint16_t DataplaneObject::add_port(Info info, std::unique_ptr<Port> port, uint32_t mtu) {
  std::vector<std::unique_ptr<Port>> ports;
  ports.push_back(std::move(port));
  return add_port(info, std::move(ports), mtu);
}

// Before something is made that would stay.
void DataplaneObject::check_room(Info info) {
  if (engine(info).has_room()) return;
  throw_error(info.Env(), "ERR_OVERLANE_LIMIT",
              "a dataplane has at most 65534 ports and VLANs of trunks: remove some first");
}

uint16_t DataplaneObject::add_port(Info info, std::vector<std::unique_ptr<Port>> ports, uint32_t mtu) {
  check_room(info);
  const uint16_t index = engine(info).add_port(std::move(ports), mtu);
  if (memory_ports_.size() < plan(info).port_count()) memory_ports_.resize(plan(info).port_count());
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
  engine(info).remove_port(index, to_bool(info[1]));
  memory_ports_[index] = nullptr;
}

}  // namespace overlane
