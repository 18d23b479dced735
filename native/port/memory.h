// memory port: packets are injected and drained by the program. With `loop` what was injected is received over and
// over; with `discard` what is transmitted is counted and let go: together the traffic source and sink of the bench.
#pragma once

#include <cstdint>
#include <vector>

#include "port/port.h"

namespace overlane {

class MemoryPort final : public Port {
 public:
  struct Options {
    size_t queue_bytes = 64 << 20;
    bool loop = false;
    bool discard = false;
  };
  struct alignas(32) Frame {  // a power of two, as its index is computed for every packet
    size_t offset;
    uint32_t length;
    uint32_t cut;
    Nanos time;
  };
  struct Queue {
    std::vector<uint8_t> bytes;  // kPad more than `used`, so that frames are copied by whole cache lines
    std::vector<Frame> frames;
    size_t used = 0;
    size_t next = 0;

    static constexpr size_t kPad = kCacheLine;
    void push(const uint8_t* data, uint32_t length, uint32_t cut, Nanos time);
    void clear();
  };

  explicit MemoryPort(const Options& options) : options_(options) {}

  // Room for so many more bytes? Injecting is all or nothing, so ask first.
  bool accepts(size_t bytes) const { return in_.used + bytes <= options_.queue_bytes; }
  // time kNow: the time of the run that receives it.
  void inject(const uint8_t* data, uint32_t length, Nanos time = kNow) { in_.push(data, length, 0, time); }
  // What was transmitted since the last drain; clear it when done.
  Queue& drained() { return out_; }

  Nanos next_due() override { return in_.next < in_.frames.size() ? kNow : kNever; }
  uint32_t receive(Packet** packets, uint32_t max, Nanos now, Nanos until, Pools& pools, CounterRow& row) override;
  uint32_t transmit(Packet** packets, uint32_t count, CounterRow& row) override;

 private:
  Options options_;
  Queue in_;
  Queue out_;
};

}  // namespace overlane
