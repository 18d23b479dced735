// From JavaScript values to the dataplane's and back. The TypeScript side has validated; what is not of the right
// type here is a bug there, reported by node-addon-api as a TypeError.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "net/link.h"
#include "stage/context.h"
#include "table/address.h"
#include "wire/ethernet.h"

namespace overlane {

inline uint32_t to_u32(const Napi::Value& value) {
  return value.As<Napi::Number>().Uint32Value();
}
inline uint16_t to_u16(const Napi::Value& value) {
  return static_cast<uint16_t>(to_u32(value));
}
inline uint64_t to_u64(const Napi::Value& value) {
  bool lossless;
  return value.As<Napi::BigInt>().Uint64Value(&lossless);
}
inline int64_t to_i64(const Napi::Value& value) {
  bool lossless;
  return value.As<Napi::BigInt>().Int64Value(&lossless);
}
inline bool to_bool(const Napi::Value& value) {
  return value.As<Napi::Boolean>().Value();
}

inline Mac to_mac(const Napi::Value& value) {
  return load_mac(value.As<Napi::Uint8Array>().Data());
}
inline IpAddress to_ip(const Napi::Value& value) {
  auto bytes = value.As<Napi::Uint8Array>();
  return bytes.ByteLength() == 4 ? IpAddress::v4(bytes.Data()) : IpAddress::v6(bytes.Data());
}
inline std::string to_text(const Napi::Value& value) {
  return value.IsNull() ? std::string() : value.As<Napi::String>().Utf8Value();
}

inline IpPrefix to_prefix(const Napi::Value& value) {
  auto o = value.As<Napi::Object>();
  return {to_ip(o.Get("ip")), static_cast<uint8_t>(to_u32(o.Get("length")))};
}
inline Route to_route(const Napi::Value& value) {
  auto o = value.As<Napi::Object>();
  Route route{to_prefix(o.Get("to")), {}, {}};
  if (!o.Get("via").IsNull()) route.via = to_ip(o.Get("via"));
  return route;
}

inline EspCarriage to_esp(const Napi::Value& value) {
  const std::string name = to_text(value);
  return name == "udp" ? EspCarriage::udp : name == "ip" ? EspCarriage::ip : EspCarriage::none;
}

inline Napi::Value from_bytes(Napi::Env env, const uint8_t* data, size_t length) {
  auto out = Napi::Uint8Array::New(env, length);
  std::copy(data, data + length, out.Data());
  return out;
}
inline Napi::Value from_mac(Napi::Env env, Mac mac) {
  uint8_t bytes[6];
  store_mac(bytes, mac);
  return from_bytes(env, bytes, sizeof bytes);
}
inline Napi::Value from_ip(Napi::Env env, const IpAddress& ip) {
  uint8_t bytes[16];
  return from_bytes(env, bytes, ip.write(bytes));
}
inline Napi::Value from_vlan(Napi::Env env, uint16_t vlan) {
  return Napi::Number::New(env, vlan);
}

}  // namespace overlane
