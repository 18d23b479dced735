// Packets across the boundary, a burst at a time.
#include <algorithm>

#include "binding/convert.h"
#include "binding/dataplane.h"
#include "binding/error.h"
#include "stage/columns.h"
#include "stage/parse.h"

namespace overlane {

namespace {

// A burst as JavaScript hands it in: bytes, and where the frames lie in them.
struct BurstView {
  const uint8_t* data;
  size_t size;
  const uint32_t* offsets;
  const uint32_t* lengths;
  uint32_t count;
};

BurstView view_burst(const Napi::CallbackInfo& info, unsigned first) {
  auto data = info[first].As<Napi::Uint8Array>();
  auto offsets = info[first + 1].As<Napi::Uint32Array>();
  auto lengths = info[first + 2].As<Napi::Uint32Array>();
  BurstView view{data.Data(), data.ByteLength(), offsets.Data(), lengths.Data(), to_u32(info[first + 3])};
  if (view.count > offsets.ElementLength() || view.count > lengths.ElementLength()) {
    throw_error(info.Env(), "ERR_OVERLANE_OPTION", "the burst's count is larger than its offsets and lengths");
  }
  for (uint32_t i = 0; i < view.count; ++i) {
    if (uint64_t{view.offsets[i]} + view.lengths[i] > view.size) {
      throw_error(info.Env(), "ERR_OVERLANE_OPTION", "frame " + std::to_string(i) + " lies outside the burst's data");
    }
  }
  return view;
}

Napi::Value parse_burst(const Napi::CallbackInfo& info) {
  const BurstView burst = view_burst(info, 0);
  auto columns = info[4].As<Napi::ArrayBuffer>();
  const uint32_t capacity = to_u32(info[5]);
  if (burst.count > capacity || columns.ByteLength() < columns_bytes(capacity)) {
    throw_error(info.Env(), "ERR_OVERLANE_OPTION", "the columns have no room for the burst: make them larger");
  }
  ColumnWriter(static_cast<uint8_t*>(columns.Data()), capacity)
      .write(burst.data, burst.offsets, burst.lengths, burst.count);
  return Napi::Number::New(info.Env(), burst.count);
}

}  // namespace

MemoryPort& DataplaneObject::memory_port(Info info) {
  MemoryPort* memory = memory_ports_[port(info, info[0])];
  if (memory == nullptr) throw_error(info.Env(), "ERR_OVERLANE_OPTION", "only memory ports inject and drain");
  return *memory;
}

Napi::Value DataplaneObject::inject(Info info) {
  MemoryPort& memory = memory_port(info);
  const BurstView burst = view_burst(info, 1);
  const int64_t* times = nullptr;
  if (info.Length() > 5 && info[5].IsTypedArray()) {
    auto timestamps = info[5].As<Napi::BigInt64Array>();
    if (timestamps.ElementLength() < burst.count) {
      throw_error(info.Env(), "ERR_OVERLANE_OPTION", "the burst has fewer timestamps than frames");
    }
    times = timestamps.Data();
  }
  size_t bytes = 0;
  for (uint32_t i = 0; i < burst.count; ++i) bytes += burst.lengths[i];
  bool fits = false;
  engine(info).ask(0, [&](Dataplane&) {
    fits = memory.accepts(bytes);
    for (uint32_t i = 0; fits && i < burst.count; ++i) {
      memory.inject(burst.data + burst.offsets[i], burst.lengths[i], times ? times[i] : Port::kNow);
    }
  });
  return Napi::Boolean::New(info.Env(), fits);
}

Napi::Value DataplaneObject::drain(Info info) {
  Napi::Env env = info.Env();
  MemoryPort& memory = memory_port(info);
  MemoryPort::Queue queue;
  engine(info).ask(0, [&](Dataplane&) { std::swap(queue, memory.drained()); });
  const size_t count = queue.frames.size();
  auto offsets = Napi::Uint32Array::New(env, count);
  auto lengths = Napi::Uint32Array::New(env, count);
  auto wire_lengths = Napi::Uint32Array::New(env, count);
  auto timestamps = Napi::BigInt64Array::New(env, count);
  for (size_t i = 0; i < count; ++i) {
    const MemoryPort::Frame& frame = queue.frames[i];
    offsets[i] = static_cast<uint32_t>(frame.offset);
    lengths[i] = frame.length;
    wire_lengths[i] = frame.length + frame.cut;
    timestamps[i] = frame.time;
  }
  auto burst = Napi::Object::New(env);
  burst.Set("data", from_bytes(env, queue.bytes.data(), queue.used));
  burst.Set("offsets", offsets);
  burst.Set("lengths", lengths);
  burst.Set("wireLengths", wire_lengths);
  burst.Set("timestamps", timestamps);
  burst.Set("count", Napi::Number::New(env, static_cast<double>(count)));
  // Its memory goes back for the next ones, if there are none yet.
  queue.clear();
  engine(info).ask(0, [&](Dataplane&) {
    if (memory.drained().frames.empty()) std::swap(queue, memory.drained());
  });
  return burst;
}

Napi::Value DataplaneObject::run(Info info) {
  const double most = info[1].As<Napi::Number>().DoubleValue();
  const uint64_t max_packets = most >= 9e15 ? UINT64_MAX : static_cast<uint64_t>(most);
  return Napi::Number::New(info.Env(), static_cast<double>(plan(info).run(to_i64(info[0]), max_packets)));
}

Napi::Value DataplaneObject::now(Info info) {
  Nanos now = 0;
  engine(info).ask(0, [&](Dataplane& dataplane) { now = dataplane.now(); });
  return Napi::BigInt::New(info.Env(), now);
}

void DataplaneObject::flush(Info info) {
  change(info, [](Dataplane& dataplane) { dataplane.flush(); });
}

void init_burst(Napi::Env env, Napi::Object exports) {
  exports.Set("parseBurst", Napi::Function::New<parse_burst>(env, "parseBurst"));
  auto layout = Napi::Array::New(env, kColumnCount);
  for (uint32_t i = 0; i < kColumnCount; ++i) {
    auto column = Napi::Object::New(env);
    column.Set("name", kColumns[i].name);
    column.Set("type", kColumns[i].type);
    column.Set("perPacket", Napi::Number::New(env, kColumns[i].per_packet));
    column.Set("about", kColumns[i].about);
    layout.Set(i, column);
  }
  exports.Set("columnLayout", layout);
  auto statuses = Napi::Array::New(env);
#define STATUS(name, about) statuses.Set(statuses.Length(), #name);
#include "core/parse_status.def"
#undef STATUS
  exports.Set("parseStatusNames", statuses);
}

}  // namespace overlane
