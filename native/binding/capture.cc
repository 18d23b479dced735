#include "binding/capture.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "binding/error.h"
#include "port/capture_reader.h"
#include "port/capture_writer.h"

namespace overlane {
namespace {

constexpr size_t kMaxBurstBytes = 4 * 1024 * 1024;
constexpr uint32_t kMaxBurstFrames = 65536;

std::string path_argument(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw_error(info.Env(), "ERR_OVERLANE_OPTION", "the path of a capture is a string");
  return info[0].As<Napi::String>().Utf8Value();
}

template <typename Array, typename T>
Array array_of(Napi::Env env, const std::vector<T>& values) {
  Array array = Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(T));
  return array;
}

// Frames gathered for one crossing into JavaScript. Kept by the reader so that its memory is reused.
struct Gather {
  std::vector<uint8_t> data;
  std::vector<uint32_t> offsets, lengths, wire_lengths;
  std::vector<int64_t> times;

  void clear() {
    data.clear();
    offsets.clear();
    lengths.clear();
    wire_lengths.clear();
    times.clear();
  }
  void add(const CaptureFrame& frame) {
    offsets.push_back(static_cast<uint32_t>(data.size()));
    lengths.push_back(frame.length);
    wire_lengths.push_back(frame.wire_length);
    times.push_back(frame.time_ns);
    data.insert(data.end(), frame.data, frame.data + frame.length);
  }
  Napi::Value to_js(Napi::Env env) const {
    Napi::Object burst = Napi::Object::New(env);
    burst.Set("data", array_of<Napi::Uint8Array>(env, data));
    burst.Set("offsets", array_of<Napi::Uint32Array>(env, offsets));
    burst.Set("lengths", array_of<Napi::Uint32Array>(env, lengths));
    burst.Set("wireLengths", array_of<Napi::Uint32Array>(env, wire_lengths));
    burst.Set("timestamps", array_of<Napi::BigInt64Array>(env, times));
    burst.Set("count", Napi::Number::New(env, static_cast<double>(offsets.size())));
    return burst;
  }
};

class ReaderObject : public Napi::ObjectWrap<ReaderObject> {
 public:
  static void init(Napi::Env env, Napi::Object exports) {
    exports.Set("CaptureReader", DefineClass(env, "CaptureReader",
                                             {
                                                 InstanceMethod<&ReaderObject::read>("read"),
                                                 InstanceMethod<&ReaderObject::link_type>("linkType"),
                                                 InstanceMethod<&ReaderObject::close>("close"),
                                             }));
  }

  explicit ReaderObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ReaderObject>(info) {
    if (!reader_.open(path_argument(info).c_str())) fail(info.Env());
    link_type_ = reader_.link_type();
  }

 private:
  // All frames of a burst have the link type that linkType() then gives; a frame of another one waits for the next
  // call.
  Napi::Value read(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (closed_) throw_error(env, "ERR_OVERLANE_CLOSED", "the capture is closed");
    const uint32_t wanted = info[0].As<Napi::Number>().Uint32Value();
    const uint32_t max = std::clamp(wanted, uint32_t{1}, kMaxBurstFrames);
    burst_.clear();
    while (burst_.offsets.size() < max && burst_.data.size() + CaptureReader::kMaxFrame <= kMaxBurstBytes) {
      if (!pending_ && !reader_.next(frame_)) break;
      pending_ = true;
      if (!burst_.offsets.empty() && frame_.link_type != link_type_) break;
      link_type_ = frame_.link_type;
      burst_.add(frame_);
      pending_ = false;
    }
    if (!burst_.offsets.empty()) return burst_.to_js(env);
    if (reader_.error_code() != kCaptureOk) fail(env);
    return env.Null();
  }

  Napi::Value link_type(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), link_type_); }

  void close(const Napi::CallbackInfo&) {
    closed_ = true;
    pending_ = false;
    reader_.close();
    burst_ = Gather();
  }

  [[noreturn]] void fail(Napi::Env env) { throw_error(env, capture_error_name(reader_.error_code()), reader_.error()); }

  CaptureReader reader_;
  CaptureFrame frame_{};
  Gather burst_;
  uint32_t link_type_ = kLinkTypeUnknown;
  bool pending_ = false;  // frame_ was read and not given yet
  bool closed_ = false;
};

class WriterObject : public Napi::ObjectWrap<WriterObject> {
 public:
  static void init(Napi::Env env, Napi::Object exports) {
    exports.Set("CaptureWriter", DefineClass(env, "CaptureWriter",
                                             {
                                                 InstanceMethod<&WriterObject::write>("write"),
                                                 InstanceMethod<&WriterObject::close>("close"),
                                             }));
  }

  explicit WriterObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<WriterObject>(info) {
    if (!writer_.open(path_argument(info).c_str())) fail(info.Env());
  }

 private:
  void write(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (closed_) throw_error(env, "ERR_OVERLANE_CLOSED", "the capture is closed");
    const Napi::Object burst = info[0].As<Napi::Object>();
    const auto data = burst.Get("data").As<Napi::Uint8Array>();
    const auto offsets = burst.Get("offsets").As<Napi::Uint32Array>();
    const auto lengths = burst.Get("lengths").As<Napi::Uint32Array>();
    const auto wire_lengths = burst.Get("wireLengths").As<Napi::Uint32Array>();
    const auto times = burst.Get("timestamps").As<Napi::BigInt64Array>();
    const uint32_t count = burst.Get("count").As<Napi::Number>().Uint32Value();
    if (std::min({offsets.ElementLength(), lengths.ElementLength(), wire_lengths.ElementLength(),
                  times.ElementLength()}) < count) {
      throw_error(env, "ERR_OVERLANE_OPTION",
                  "the burst's count of " + std::to_string(count) + " is more than its arrays hold");
    }
    // All are checked before one is written, natively because a bad offset would read foreign memory, and on a copy
    // because another thread may change a shared array meanwhile.
    spans_.clear();
    for (uint32_t i = 0; i < count; i++) {
      spans_.push_back({offsets[i], lengths[i]});
      check(env, i, spans_.back(), data.ByteLength());
    }
    for (uint32_t i = 0; i < count; i++) {
      if (!writer_.write(data.Data() + spans_[i].offset, spans_[i].length, wire_lengths[i], times[i])) fail(env);
    }
  }

  struct Span {
    uint32_t offset;
    uint32_t length;
  };

  static void check(Napi::Env env, uint32_t index, Span span, size_t size) {
    if (uint64_t{span.offset} + span.length > size) {
      throw_error(env, "ERR_OVERLANE_OPTION",
                  "frame " + std::to_string(index) + " of the burst (offset " + std::to_string(span.offset) +
                      ", length " + std::to_string(span.length) + ") reaches beyond its " + std::to_string(size) +
                      " bytes of data");
    }
    if (span.length > CaptureWriter::kMaxFrame) {
      throw_error(env, "ERR_OVERLANE_OPTION",
                  "frame " + std::to_string(index) + " of the burst has " + std::to_string(span.length) +
                      " bytes; a capture takes at most " + std::to_string(CaptureWriter::kMaxFrame));
    }
  }

  void close(const Napi::CallbackInfo& info) {
    if (closed_) return;
    closed_ = true;
    if (!writer_.close()) fail(info.Env());
  }

  [[noreturn]] void fail(Napi::Env env) { throw_error(env, capture_error_name(writer_.error_code()), writer_.error()); }

  CaptureWriter writer_;
  std::vector<Span> spans_;
  bool closed_ = false;
};

}  // namespace

void init_capture(Napi::Env env, Napi::Object exports) {
  ReaderObject::init(env, exports);
  WriterObject::init(env, exports);
}

}  // namespace overlane
