// A port: where packets enter and leave, in bursts. Copy memory.h to add one.
#pragma once

#include <string>

#include "core/counters.h"
#include "core/packet.h"
#include "core/pool.h"
#include "core/time.h"

namespace overlane {

class Port {
 public:
  virtual ~Port() = default;

  // When the next packet is due: kNow for "as soon as asked", kNever for "nothing waits".
  static constexpr Nanos kNow = INT64_MIN;
  virtual Nanos next_due() = 0;

  // Takes up to `max` packets that are due by `until`; sets data, length, cut and time, nothing else.
  virtual uint32_t receive(Packet** packets, uint32_t max, Nanos now, Nanos until, Pools& pools, CounterRow& row) = 0;

  // Takes over the first n packets, and returns n; the caller drops the rest for `refusal()`.
  virtual uint32_t transmit(Packet** packets, uint32_t count) = 0;
  virtual Counter refusal() const { return Counter::drop_port_full; }

  // What is buffered goes out to where it is kept.
  virtual void flush() {}
  // Empty, or the first failure in words for the user; its code as in src/errors.ts.
  virtual std::string error() const { return {}; }
  virtual const char* error_name() const { return "ERR_OVERLANE_SYSTEM"; }

 protected:
  // A frame that no buffer holds is received and dropped on the spot.
  static void refuse_oversize(uint32_t length, CounterRow& row) {
    row.add(Counter::rx_packets);
    row.add(Counter::rx_bytes, length);
    row.add(Counter::drop_oversize);
  }
};

}  // namespace overlane
