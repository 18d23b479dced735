#include "stage/open.h"

#include <cstring>

#include "offload/merge.h"
#include "stage/opener.h"

namespace overlane {

namespace {

constexpr Counter kFine = Opener::kFine;
constexpr uint32_t kMaxJobs = 32;

// Packets opened where they are, those of an SA together where they come one after the other.
class InPlace {
 public:
  InPlace(uint16_t underlay, Context& context, Burst& burst)
      : opener_(underlay, context), context_(context), out_(burst) {}

  void add(Packet* packet) {
    if (OVERLANE_UNLIKELY(packet->cut != 0)) return context_.counters.drop(packet, Counter::drop_esp_cut);
    InboundSa* sa = nullptr;
    const IpAddress peer = datagram_of(*packet).peer;
    Counter reason = opener_.find(peer, packet->data, packet->length, sa);
    if (OVERLANE_UNLIKELY(sa == nullptr && reason == kFine)) {
      flush();  // it may forget one of ours
      reason = opener_.recognize(peer, packet->data, packet->length, sa);
    }
    if (OVERLANE_UNLIKELY(reason != kFine)) return context_.counters.drop(packet, reason);
    if (count_ == kMaxJobs) flush();
    Opener::prepare(*sa, packet->data, packet->length, packet->data + sizeof(Esp), jobs_[count_], numbers_[count_]);
    sas_[count_] = sa;
    packets_[count_++] = packet;
  }

  void flush() {
    for (uint32_t i = 0, end; i < count_; i = end) {
      end = i + 1;
      while (end < count_ && sas_[end] == sas_[i]) ++end;
      sas_[i]->aead->open(jobs_ + i, end - i);
    }
    for (uint32_t i = 0; i < count_; ++i) finish(packets_[i], jobs_[i], numbers_[i], *sas_[i]);
    count_ = 0;
  }

 private:
  void finish(Packet* packet, const AeadJob& job, const PacketNumber& number, InboundSa& sa) {
    uint32_t inner = 0;
    const Counter reason =
        OVERLANE_LIKELY(job.good) ? opener_.check(sa, number, job.out, job.length, inner) : Counter::drop_esp_icv;
    if (OVERLANE_UNLIKELY(reason != kFine)) return context_.counters.drop(packet, reason);
    Datagram datagram = datagram_of(*packet);
    datagram.keyring = opener_.keyring_of(sa);
    packet->data += Opener::kFront;
    packet->length = inner;
    set_datagram(*packet, datagram);
    out_.packets[out_.count++] = packet;
  }

  Opener opener_;
  Context& context_;
  Burst& out_;
  uint32_t count_ = 0;
  Packet* packets_[kMaxJobs];
  InboundSa* sas_[kMaxJobs];
  PacketNumber numbers_[kMaxJobs];
  AeadJob jobs_[kMaxJobs];
};

// What a train held, side by side in a buffer of its own: datagrams of one length, the last perhaps shorter.
class Run {
 public:
  Run(const Packet& train, Packet** out, uint32_t max, Context& context)
      : train_(train), out_(out), max_(max), context_(context), row_(context.counters.port(train.ingress)) {}

  // Where the next datagram's UDP header goes; it is behind what is there. nullptr: no buffer is free.
  uint8_t* room() {
    if (packet_ == nullptr) packet_ = context_.pools.take(train_.length);
    if (packet_ == nullptr) return nullptr;
    uint8_t* at = packet_->data + used_ - sizeof(Udp);
    saved_ = load<uint64_t>(at);
    return at;
  }
  // What was written there was `length` bytes of a datagram, or nothing.
  void take(uint32_t length, uint16_t keyring) {
    uint8_t* at = packet_->data + used_;
    store(at - sizeof(Udp), saved_);
    if (length == 0) return;
    if (OVERLANE_UNLIKELY(used_ > 0 && (ended_ || length > stride_ || keyring != keyring_))) {
      if (!move_on(at, length)) return;
    }
    if (used_ == 0) stride_ = length;
    keyring_ = keyring;
    ended_ = length < stride_;
    used_ += length;
  }
  // Nothing more comes. Returns how many packets were made.
  uint32_t finish() {
    close();
    if (packet_ != nullptr) release(packet_);
    packet_ = nullptr;
    return made_;
  }

 private:
  static_assert(sizeof(Udp) == sizeof(uint64_t));

  // Begins another run with a datagram that does not fit behind this one.
  bool move_on(const uint8_t* datagram, uint32_t length) {
    Packet* next = context_.pools.take(train_.length);
    if (next == nullptr) return row_.add(Counter::drop_pool_empty), false;
    std::memcpy(next->data, datagram, length);
    close();
    if (packet_ != nullptr) release(packet_);
    packet_ = next;
    return true;
  }

  void close() {
    if (used_ == 0) return;
    packet_->time = train_.time;
    packet_->length = used_;
    packet_->set_origin(train_.source, train_.ingress, train_.domain);
    Datagram datagram = datagram_of(train_);
    datagram.stride = 0;
    datagram.keyring = keyring_;
    set_datagram(*packet_, datagram);
    uint32_t coalesced = 0;
    uint32_t lost = 0;
    made_ += split_train(packet_, stride_, sizeof(Vxlan), out_ + made_, max_ - made_, context_.pools, coalesced, lost);
    row_.add(Counter::coalesced, coalesced);
    row_.add(Counter::drop_pool_empty, lost);
    packet_ = nullptr;
    used_ = 0;
  }

  const Packet& train_;
  Packet** out_;
  uint32_t max_;
  Context& context_;
  CounterRow& row_;
  Packet* packet_ = nullptr;
  uint64_t saved_ = 0;
  uint32_t used_ = 0;
  uint32_t stride_ = 0;
  bool ended_ = false;
  uint16_t keyring_ = kNoKeyring;
  uint32_t made_ = 0;
};

// One datagram of a train. Returns the bytes of VXLAN and frame at `out` + a UDP header; 0: dropped for `reason`.
uint32_t open_one(Opener& opener, const IpAddress& peer, uint8_t* packet, uint32_t length, uint8_t* out,
                  uint16_t& keyring, Counter& reason) {
  InboundSa* sa = nullptr;
  reason = opener.find(peer, packet, length, sa);
  if (OVERLANE_UNLIKELY(sa == nullptr && reason == kFine)) reason = opener.recognize(peer, packet, length, sa);
  if (OVERLANE_UNLIKELY(reason != kFine)) return 0;
  AeadJob job;
  PacketNumber number;
  Opener::prepare(*sa, packet, length, out, job, number);
  sa->aead->open(&job, 1);
  uint32_t inner = 0;
  reason = OVERLANE_LIKELY(job.good) ? opener.check(*sa, number, out, job.length, inner) : Counter::drop_esp_icv;
  keyring = opener.keyring_of(*sa);
  return reason == kFine ? inner : 0;
}

}  // namespace

void open(Burst& burst, uint16_t underlay, Context& context) {
  Burst opened;
  InPlace packets(underlay, context, opened);
  for (uint32_t i = 0; i < burst.count; ++i) packets.add(burst.packets[i]);
  packets.flush();
  std::memcpy(burst.packets, opened.packets, opened.count * sizeof(Packet*));
  burst.count = opened.count;
  context.counters.port(context.underlays[underlay].carrier).add(Counter::opened, burst.count);
}

uint32_t open_train(Packet* train, uint16_t underlay, Packet** out, uint32_t max, Context& context) {
  if (train->length == 0) return context.counters.drop(train, Counter::drop_esp_truncated), 0;
  const Datagram datagram = datagram_of(*train);
  const uint32_t count = (train->length + datagram.stride - 1) / datagram.stride;
  CounterRow& row = context.counters.port(train->ingress);
  row.add(Counter::rx_packets, count - 1);
  Opener opener(underlay, context);
  Run run(*train, out, max, context);
  uint32_t opened = 0;
  for (uint32_t at = 0; at < train->length; at += datagram.stride) {
    uint8_t* to = run.room();
    if (OVERLANE_UNLIKELY(to == nullptr)) {
      row.add(Counter::drop_pool_empty);
      continue;
    }
    const uint32_t length = std::min<uint32_t>(datagram.stride, train->length - at);
    uint16_t keyring = kNoKeyring;
    Counter reason;
    const uint32_t inner = open_one(opener, datagram.peer, train->data + at, length, to, keyring, reason);
    if (OVERLANE_UNLIKELY(inner == 0)) row.add(reason);
    run.take(inner, keyring);
    opened += inner != 0;
  }
  const uint32_t made = run.finish();
  context.counters.port(context.underlays[underlay].carrier).add(Counter::opened, opened);
  release(train);
  return made;
}

}  // namespace overlane
