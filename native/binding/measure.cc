// Loops for the bench that have no place in a dataplane: the FDB alone.
#include <algorithm>
#include <chrono>
#include <random>

#include "binding/convert.h"
#include "binding/dataplane.h"
#include "binding/system.h"

namespace overlane {

namespace {

Napi::Value measure_fdb(const Napi::CallbackInfo& info) {
  const uint32_t entries = to_u32(info[1]);
  const auto look_ups = static_cast<uint64_t>(info[2].As<Napi::Number>().DoubleValue());
  auto fdb = make_fdb(static_cast<FdbKind>(to_u32(info[0])), entries + entries / 8 + 64, 1);
  fdb->set_bridge(0, UINT32_MAX);
  fdb->set_domain(1, 0, kNoAgeing);
  fdb->set_place(0, 0, UINT32_MAX);
  std::vector<FdbKey> keys(entries);
  std::mt19937_64 random(1);
  CounterRow row;
  const Place from = 0;
  const uint8_t learns = 1;
  uint8_t conflict = 0;
  uint32_t at[kMaxBurst];
  for (FdbKey& key : keys) {
    key = fdb_key(1, random() & kMacMask & ~Mac{1});
    fdb->locate(&key, 1, at);
    fdb->learn(&key, at, &from, &learns, 1, 0, &conflict, row);
  }
  std::shuffle(keys.begin(), keys.end(), random);
  Place places[kMaxBurst];
  uint64_t found = 0;
  const uint32_t burst = std::min<uint32_t>(entries, 64);
  const auto start = std::chrono::steady_clock::now();
  uint64_t done = 0;
  for (size_t next = 0; done < look_ups; done += burst, next = next + 2 * burst <= entries ? next + burst : 0) {
    fdb->locate(&keys[next], burst, at);
    fdb->look_up(&keys[next], at, burst, 0, places);
    found += places[0] == from;
  }
  const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
  auto out = Napi::Object::New(info.Env());
  out.Set("ns", Napi::Number::New(info.Env(), found == 0 ? 0 : spent.count() / static_cast<double>(done)));
  out.Set("bytes", Napi::Number::New(info.Env(), static_cast<double>(fdb->bytes())));
  out.Set("entries", Napi::Number::New(info.Env(), static_cast<double>(fdb->size())));
  return out;
}

Napi::Value cpu(const Napi::CallbackInfo& info) {
  const char* dispatch = "baseline";
#if OVERLANE_HAS_CLONES
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) dispatch = "x86-64-v3";
  if (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) dispatch = "x86-64-v4";
#endif
  auto out = Napi::Object::New(info.Env());
  out.Set("dispatch", dispatch);
  return out;
}

}  // namespace

void init_measure(Napi::Env env, Napi::Object exports) {
  exports.Set("measureFdb", Napi::Function::New<measure_fdb>(env, "measureFdb"));
  exports.Set("cpu", Napi::Function::New<cpu>(env, "cpu"));
  auto kinds = Napi::Array::New(env);
  for (const char* kind : kFdbKinds) kinds.Set(kinds.Length(), kind);
  exports.Set("fdbKinds", kinds);
  init_system(env, exports);
  init_netns(env, exports);
}

}  // namespace overlane
