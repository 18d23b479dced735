// The Dataplane class of the addon: src/native.ts says what each method takes and gives.
#pragma once

#include <napi.h>

#include <memory>

#include "engine/dataplane.h"
#include "port/memory.h"

namespace overlane {

class DataplaneObject final : public Napi::ObjectWrap<DataplaneObject> {
 public:
  static void init(Napi::Env env, Napi::Object exports);
  explicit DataplaneObject(const Napi::CallbackInfo& info);

 private:
  using Info = const Napi::CallbackInfo&;

  // binding/dataplane.cc: configuration
  Napi::Value add_memory_port(Info info);
  Napi::Value add_pcap_port(Info info);
  void remove_port(Info info);
  Napi::Value add_frame_underlay(Info info);
  void add_underlay_neighbor(Info info);
  void remove_underlay(Info info);
  Napi::Value add_bridge(Info info);
  void remove_bridge(Info info);
  void attach(Info info);
  void detach(Info info);
  void add_vtep(Info info);
  void remove_vtep(Info info);
  void add_fdb(Info info);
  Napi::Value remove_fdb(Info info);
  void add_neighbor(Info info);
  Napi::Value remove_neighbor(Info info);
  void close(Info info);

  // binding/tables.cc: what there is to see
  Napi::Value fdb(Info info);
  Napi::Value neighbors(Info info);
  Napi::Value counters(Info info);
  Napi::Value misses(Info info);
  Napi::Value port_error(Info info);

  // binding/burst.cc: packets
  Napi::Value inject(Info info);
  Napi::Value drain(Info info);
  Napi::Value run(Info info);
  Napi::Value now(Info info);
  void flush(Info info);

  Dataplane& dataplane(Info info);
  // `value` as a port, bridge or domain that exists; throws otherwise.
  uint16_t port(Info info, const Napi::Value& value);
  uint16_t domain(Info info);
  uint16_t add_port(Info info, std::unique_ptr<Port> port, uint32_t mtu);
  MemoryPort& memory_port(Info info);

  std::unique_ptr<Dataplane> dataplane_;
  std::vector<MemoryPort*> memory_ports_;  // by port, nullptr for the other kinds
};

void init_burst(Napi::Env env, Napi::Object exports);
void init_measure(Napi::Env env, Napi::Object exports);

}  // namespace overlane
