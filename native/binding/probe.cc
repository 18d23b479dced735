// probeAddress(): a promise, kept by a thread of libuv's pool.
#include "net/probe.h"

#include "binding/convert.h"
#include "binding/error.h"
#include "binding/system.h"

namespace overlane {

namespace {

class ProbeWork final : public Napi::AsyncWorker {
 public:
  ProbeWork(Napi::Env env, Probe probe)
      : Napi::AsyncWorker(env, "overlane:probe"), promise_(env), probe_(std::move(probe)) {}
  Napi::Promise promise() const { return promise_.Promise(); }

  void Execute() override { result_ = probe_address(probe_, owner_); }

  void OnOK() override {
    Napi::Env env = Env();
    if (result_) return promise_.Resolve(owner_ ? from_mac(env, *owner_) : env.Null());
    Napi::Error error = Napi::Error::New(env, result_.message);
    error.Set("code", Napi::String::New(env, result_.code));
    promise_.Reject(error.Value());
  }
  void OnError(const Napi::Error& error) override { promise_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred promise_;
  Probe probe_;
  NetResult result_;
  std::optional<Mac> owner_;
};

Napi::Value probe(const Napi::CallbackInfo& info) {
  auto o = info[0].As<Napi::Object>();
  Probe probe;
  probe.netns = to_text(o.Get("netns"));
  probe.interface = to_text(o.Get("interface"));
  if (!o.Get("vlan").IsNull()) probe.vlan = to_u16(o.Get("vlan"));
  probe.mac = to_mac(o.Get("mac"));
  probe.ip = to_ip(o.Get("ip"));
  probe.timeout_ms = to_u32(o.Get("timeoutMs"));
  probe.probes = to_u32(o.Get("probes"));
  auto* work = new ProbeWork(info.Env(), std::move(probe));  // deletes itself
  work->Queue();
  return work->promise();
}

}  // namespace

void init_probe(Napi::Env env, Napi::Object exports) {
  exports.Set("probeAddress", Napi::Function::New<probe>(env, "probeAddress"));
}

}  // namespace overlane
