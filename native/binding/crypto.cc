// Keyrings, and what the crypto engines of this machine are.
#include <sys/prctl.h>

#include <utility>

#include "binding/convert.h"
#include "binding/dataplane.h"
#include "binding/error.h"
#include "crypto/engine.h"
#include "crypto/measure.h"

namespace overlane {

namespace {

AeadEngine engine_of(Napi::Env env, const std::string& name) {
  const EngineInfo& best = aead_engines().front();
  if (name == "auto" && best.usable) return best.engine;
  if (name == "auto") throw_error(env, "ERR_OVERLANE_MISSING", "no crypto engine can be used here: " + best.detail);
  if (name == "null") return AeadEngine::null;
  for (const EngineInfo& info : aead_engines()) {
    if (name != info.name) continue;
    if (info.usable) return info.engine;
    throw_error(
        env, "ERR_OVERLANE_MISSING",
        "the crypto engine " + name + " cannot be used: " + info.detail + "; leave out 'engine', or see doctor");
  }
  throw_error(env, "ERR_OVERLANE_MISSING", "there is no crypto engine " + name);
}

KeyringKey read_key(Napi::Env env, const Napi::Object& o) {
  auto bytes = o.Get("secret").As<Napi::Uint8Array>();
  auto secret = std::make_shared<const Secret>(bytes.Data(), static_cast<uint32_t>(bytes.ByteLength()));
  auto sent = sent_spis_of(*secret);  // the same secret keeps its packet numbers
  if (!sent) throw_error(env, "ERR_OVERLANE_SYSTEM", "the crypto library failed; see overlane doctor");
  return {to_u32(o.Get("id")), std::move(secret), std::move(sent)};
}

Napi::Value crypto_engines(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto rows = Napi::Array::New(env);
  for (const EngineInfo& engine : aead_engines()) {
    auto row = Napi::Object::New(env);
    row.Set("name", engine.name);
    row.Set("usable", Napi::Boolean::New(env, engine.usable));
    row.Set("detail", engine.detail);
    rows.Set(rows.Length(), row);
  }
  return rows;
}

Napi::Value aead_ns_of(const Napi::CallbackInfo& info) {
  const AeadEngine engine = engine_of(info.Env(), to_text(info[0]));
  return Napi::Number::New(info.Env(), aead_ns(engine, to_u32(info[1]), to_u32(info[2]), to_bool(info[3])));
}

void forbid_core_dumps(const Napi::CallbackInfo&) {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace

Napi::Value DataplaneObject::add_keyring(Info info) {
  auto o = info[0].As<Napi::Object>();
  KeyringOptions options;
  options.profile = to_text(o.Get("profile")) == "docker" ? EspProfile::docker : EspProfile::strong;
  options.key_bits = to_u32(o.Get("keyBits"));
  options.engine = engine_of(info.Env(), to_text(o.Get("engine")));
  options.packet_limit = to_u64(o.Get("packetLimit"));
  return Napi::Number::New(info.Env(), change(info, [&](Dataplane& to) { return to.add_keyring(options); }));
}

void DataplaneObject::set_keys(Info info) {
  const uint16_t keyring = to_u16(info[0]);
  auto list = info[1].As<Napi::Array>();
  std::vector<KeyringKey> keys;
  for (uint32_t i = 0; i < list.Length(); ++i) keys.push_back(read_key(info.Env(), list.Get(i).As<Napi::Object>()));
  const int32_t send = info[2].As<Napi::Number>().Int32Value();
  change(info, [&](Dataplane& to) { to.set_keys(keyring, keys, send); });
}

void DataplaneObject::remove_keyring(Info info) {
  const uint16_t keyring = to_u16(info[0]);
  change(info, [&](Dataplane& to) { to.remove_keyring(keyring); });
}

void init_crypto(Napi::Env env, Napi::Object exports) {
  exports.Set("cryptoEngines", Napi::Function::New<crypto_engines>(env, "cryptoEngines"));
  exports.Set("aeadNs", Napi::Function::New<aead_ns_of>(env, "aeadNs"));
  exports.Set("forbidCoreDumps", Napi::Function::New<forbid_core_dumps>(env, "forbidCoreDumps"));
}

}  // namespace overlane
