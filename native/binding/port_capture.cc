// Captures of ports: copies of packets on their way to JavaScript.
#include <cstring>
#include <new>

#include "binding/convert.h"
#include "binding/dataplane.h"
#include "binding/error.h"

namespace overlane {

namespace {

// One burst at most.
constexpr size_t kCopies = 8192;
constexpr size_t kBytes = 1 << 20;

Napi::Value to_burst(Napi::Env env, const std::vector<const CaptureRing::Record*>& copies) {
  const size_t count = copies.size();
  size_t bytes = 0;
  for (const auto* copy : copies) bytes += copy->length;
  auto data = Napi::Uint8Array::New(env, bytes);
  auto offsets = Napi::Uint32Array::New(env, count);
  auto lengths = Napi::Uint32Array::New(env, count);
  auto wire_lengths = Napi::Uint32Array::New(env, count);
  auto timestamps = Napi::BigInt64Array::New(env, count);
  auto directions = Napi::Uint8Array::New(env, count);
  auto lost = Napi::Uint32Array::New(env, count);
  size_t used = 0;
  for (size_t i = 0; i < count; ++i) {
    const CaptureRing::Record& copy = *copies[i];
    std::memcpy(data.Data() + used, copy.data(), copy.length);
    offsets[i] = static_cast<uint32_t>(used);
    lengths[i] = copy.length;
    wire_lengths[i] = copy.wire_length;
    timestamps[i] = copy.time;
    directions[i] = static_cast<uint8_t>(copy.direction);
    lost[i] = copy.lost;
    used += copy.length;
  }
  auto burst = Napi::Object::New(env);
  burst.Set("data", data);
  burst.Set("offsets", offsets);
  burst.Set("lengths", lengths);
  burst.Set("wireLengths", wire_lengths);
  burst.Set("timestamps", timestamps);
  burst.Set("directions", directions);
  burst.Set("lostBefore", lost);
  burst.Set("count", Napi::Number::New(env, static_cast<double>(count)));
  return burst;
}

}  // namespace

PortCapture& DataplaneObject::capture(Info info) {
  PortCapture* found = engine(info).capture(to_u32(info[0]));
  if (found == nullptr) throw_error(info.Env(), "ERR_OVERLANE_CLOSED", "the capture is closed");
  return *found;
}

Napi::Value DataplaneObject::add_capture(Info info) {
  const uint16_t of = port(info, info[0]);
  const auto bytes = static_cast<size_t>(info[2].As<Napi::Number>().DoubleValue());
  try {
    return Napi::Number::New(info.Env(), engine(info).add_capture(of, to_u32(info[1]), bytes));
  } catch (const std::bad_alloc&) {
    throw_error(info.Env(), "ERR_OVERLANE_LIMIT", "not enough memory for the capture: lower bufferBytes");
  }
}

Napi::Value DataplaneObject::captured(Info info) {
  PortCapture& from = capture(info);
  if (to_bool(info[1])) from.look();
  const auto& copies = from.take(kCopies, kBytes);
  if (copies.empty()) {
    from.release();  // what next() skipped
    return info.Env().Null();
  }
  const Napi::Value burst = to_burst(info.Env(), copies);
  from.release();
  return burst;
}

Napi::Value DataplaneObject::capture_lost(Info info) {
  return Napi::BigInt::New(info.Env(), capture(info).lost());
}

void DataplaneObject::stop_capture(Info info) {
  capture(info);
  engine(info).stop_capture(to_u32(info[0]));
}

void DataplaneObject::remove_capture(Info info) {
  capture(info);
  engine(info).remove_capture(to_u32(info[0]));
}

}  // namespace overlane
