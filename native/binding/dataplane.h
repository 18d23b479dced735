// The Dataplane class of the addon: src/native.ts says what each method takes and gives.
#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "engine/engine.h"
#include "net/link.h"
#include "port/memory.h"

namespace overlane {

class DataplaneObject final : public Napi::ObjectWrap<DataplaneObject> {
 public:
  static void init(Napi::Env env, Napi::Object exports);
  explicit DataplaneObject(const Napi::CallbackInfo& info);
  ~DataplaneObject() override;

 private:
  using Info = const Napi::CallbackInfo&;

  // binding/dataplane.cc: configuration
  Napi::Value add_frame_underlay(Info info);
  void add_underlay_neighbor(Info info);
  void remove_underlay(Info info);
  Napi::Value add_bridge(Info info);
  void remove_bridge(Info info);
  void add_vtep(Info info);
  void remove_vtep(Info info);
  void add_fdb(Info info);
  Napi::Value remove_fdb(Info info);
  void add_neighbor(Info info);
  Napi::Value remove_neighbor(Info info);
  void start(Info info);
  void close(Info info);

  // binding/ports.cc
  Napi::Value add_memory_port(Info info);
  Napi::Value add_pcap_port(Info info);
  void remove_port(Info info);

  // binding/router.cc
  Napi::Value add_router(Info info);
  void remove_router(Info info);
  void add_interface(Info info);
  void remove_interface(Info info);

  // binding/live.cc: ports and underlays of live traffic
  Napi::Value add_tap_port(Info info);
  Napi::Value add_packet_port(Info info);
  Napi::Value add_xdp_port(Info info);
  Napi::Value add_udp_underlay(Info info);
  Napi::Value opened(Info info, std::vector<std::unique_ptr<Port>> ports, const LinkDetails& link,
                     const std::string& interface, const std::string& detail);
  uint32_t next_owner(Info info);

  // binding/port_capture.cc
  Napi::Value add_capture(Info info);
  Napi::Value captured(Info info);
  Napi::Value capture_lost(Info info);
  void stop_capture(Info info);
  void remove_capture(Info info);
  PortCapture& capture(Info info);

  // binding/crypto.cc: keyrings
  Napi::Value add_keyring(Info info);
  void set_keys(Info info);
  void remove_keyring(Info info);

  // binding/attach.cc: ports on bridges
  void attach(Info info);
  void detach(Info info);
  void add_address(Info info);
  void remove_address(Info info);

  // binding/tables.cc: what there is to see
  Napi::Value fdb(Info info);
  Napi::Value neighbors(Info info);
  Napi::Value counters(Info info);
  Napi::Value events(Info info);
  Napi::Value port_error(Info info);

  // binding/burst.cc: packets
  Napi::Value inject(Info info);
  Napi::Value drain(Info info);
  Napi::Value run(Info info);
  Napi::Value now(Info info);
  void flush(Info info);

  Engine& engine(Info info);
  // The configuration. Its tables and counters belong to the workers while these are running.
  Dataplane& plan(Info info) { return engine(info).plan(); }
  // Does it in every worker's dataplane; what it returns in the first one.
  template <typename Work>
  auto change(Info info, Work work);
  // `value` as a port, bridge or domain that exists; throws otherwise.
  uint16_t port(Info info, const Napi::Value& value);
  uint16_t domain(Info info);
  uint16_t attached(Info info, const Napi::Value& bridge, const Napi::Value& value);
  uint16_t add_port(Info info, std::unique_ptr<Port> port, uint32_t mtu);
  uint16_t add_port(Info info, std::vector<std::unique_ptr<Port>> ports, uint32_t mtu);
  void check_room(Info info);
  MemoryPort& memory_port(Info info);

  std::unique_ptr<Engine> engine_;
  Napi::ThreadSafeFunction notify_;
  uint32_t owners_ = 0;
  std::vector<MemoryPort*> memory_ports_;  // by port, nullptr for the other kinds
};

template <typename Work>
auto DataplaneObject::change(Info info, Work work) {
  using Result = decltype(work(std::declval<Dataplane&>()));
  if constexpr (std::is_void_v<Result>) {
    engine(info).change([&](Dataplane& dataplane, uint32_t) { work(dataplane); });
  } else {
    Result first{};
    engine(info).change([&](Dataplane& dataplane, uint32_t worker) {
      Result result = work(dataplane);
      if (worker == 0) first = result;
    });
    return first;
  }
}

void init_burst(Napi::Env env, Napi::Object exports);
void init_measure(Napi::Env env, Napi::Object exports);
void init_crypto(Napi::Env env, Napi::Object exports);

}  // namespace overlane
