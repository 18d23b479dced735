// A port: where packets enter and leave, in bursts. Copy memory.h to add one. Every worker has an object of its own
// for a port; those of one port may share a kernel object, but nothing in memory.
#pragma once

#include <string>
#include <vector>

#include "core/counters.h"
#include "core/events.h"
#include "core/packet.h"
#include "core/pool.h"
#include "core/time.h"

namespace overlane {

// What transmit() takes as it is; the rest is segmented or completed before.
enum Offloads : uint8_t {
  kTakesPartialChecksum = 1,
  kTakesTso = 2,     // super-frames of TCP over IPv4 and IPv6
  kTakesUso = 4,     // super-frames of UDP
  kTakesTrains = 8,  // those with kTrain
};

// What is known of the interface behind a port.
struct LinkInfo {
  LinkState state = LinkState::up;
  uint32_t index = 0;  // of the interface, in its namespace
  uint32_t mtu = 0;
};

class Port {
 public:
  virtual ~Port() = default;

  // When the next packet is due: kNow for "as soon as asked", kNever for "nothing waits". Live ports say kNow when
  // there may be some: a worker asks those that have no descriptor to wait for in every round.
  static constexpr Nanos kNow = INT64_MIN;
  virtual Nanos next_due() = 0;

  // Takes up to `max` packets that are due by `until`; sets data, length, time, and cut, segment and flags where they
  // are not 0; nothing else.
  virtual uint32_t receive(Packet** packets, uint32_t max, Nanos now, Nanos until, Pools& pools, CounterRow& row) = 0;

  // Takes over the first n packets, and returns n; the caller counts these as tx_packets and tx_bytes and drops the
  // rest for `refusal()`. `row` is the port's own: what left as more or fewer packets than were handed in is put right
  // there (see sent_as, lose).
  virtual uint32_t transmit(Packet** packets, uint32_t count, CounterRow& row) = 0;
  virtual Counter refusal() const { return Counter::drop_port_full; }
  virtual uint8_t offloads() const { return 0; }

  // A live port: descriptors to wait for. Readable `input` means that receive() has something; any other readiness, or
  // an error condition, that attend() should be called. One that is not listed any more after attend() is of no use
  // until link_changed() has mended the port; error() says why, and a `failure` event has told.
  struct Descriptor {
    int fd;
    bool input;
  };
  virtual std::vector<Descriptor> descriptors() const { return {}; }
  virtual void attend(int fd, Nanos now) {
    (void)fd;
    (void)now;
  }
  // The interface changed; called between bursts.
  virtual void link_changed(const LinkInfo& link) { (void)link; }

  // What is buffered goes out to where it is kept.
  virtual void flush() {}
  // What the port made, and what would outlive it, is to end with it. Not on the packet path.
  virtual void discard() {}
  // Whether destroying it may take the kernel tens of milliseconds, and nobody need wait for that.
  virtual bool ends_slowly() const { return false; }
  // Empty, or the first failure in words for the user; its code as in src/errors.ts.
  virtual std::string error() const { return {}; }
  virtual const char* error_name() const { return "ERR_OVERLANE_SYSTEM"; }

  // Where the port tells what happens to it; set when it is added. May be null.
  void report_to(EventRing* events, uint16_t index) {
    events_ = events;
    index_ = index;
  }

  // What the ring had no room for; attend() and link_changed() have no counters at hand.
  void count_lost_events(CounterRow& row) {
    if (OVERLANE_LIKELY(lost_events_ == 0)) return;
    row.add(Counter::event_lost, lost_events_);
    lost_events_ = 0;
  }

 protected:
  // A frame that no buffer holds is received and dropped on the spot.
  static void refuse_oversize(uint32_t length, CounterRow& row) {
    row.add(Counter::rx_packets);
    row.add(Counter::rx_bytes, length);
    row.add(Counter::drop_oversize);
  }

  // One super-frame left as `packets`, with `bytes` of further headers.
  static void sent_as(uint32_t packets, uint64_t bytes, CounterRow& row) {
    row.add(Counter::segmented, packets - 1);
    row.add(Counter::tx_packets, packets - 1);
    row.add(Counter::tx_bytes, bytes);
  }
  // So many packets became part of the one before them, without `bytes` of headers.
  static void sent_with(uint32_t packets, uint64_t bytes, CounterRow& row) {
    row.add(Counter::coalesced, packets);
    row.add(Counter::tx_packets, uint64_t{0} - packets);
    row.add(Counter::tx_bytes, uint64_t{0} - bytes);
  }
  // A packet that was taken over could not be sent after all.
  static void lose(Packet* packet, Counter reason, CounterRow& row) {
    row.add(Counter::tx_packets, uint64_t{0} - 1);
    row.add(Counter::tx_bytes, uint64_t{0} - packet->length);
    row.add_lost(*packet, reason);
    release(packet);
  }

  void tell(Event event, Nanos now) {
    event.port = index_;
    event.time = now;
    if (events_ != nullptr && !events_->push(event)) ++lost_events_;
  }
  // That there is a new error(): once for each.
  void tell_failure(Nanos now) { tell({}, now); }

 private:
  EventRing* events_ = nullptr;
  uint16_t index_ = 0;
  uint64_t lost_events_ = 0;  // not counted yet
};

}  // namespace overlane
