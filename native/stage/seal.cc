#include "stage/seal.h"

#include <algorithm>
#include <cstring>

#include "core/datagram.h"
#include "offload/segment.h"
#include "stage/vxlan_encap.h"
#include "wire/esp.h"
#include "wire/ipv4.h"
#include "wire/udp.h"
#include "wire/vxlan.h"

namespace overlane {

namespace {

constexpr Counter kFine = Counter::count_;
constexpr uint32_t kFront = sizeof(Esp) + sizeof(Udp);  // what is put before a VXLAN header
constexpr uint32_t kMaxJobs = 32;
constexpr uint32_t kMaxTrainBytes = 65487;  // of a UDP datagram over IPv6, and less than over IPv4

Counter reason_of(OutboundSa::State state) {
  return state == OutboundSa::State::no_key ? Counter::drop_esp_no_key : Counter::drop_esp_engine;
}

Alert alert_of(Counter reason) {
  if (reason == Counter::drop_esp_no_key) return Alert::no_key;
  return reason == Counter::drop_esp_exhausted ? Alert::exhausted : Alert::engine;
}

// Seals packets, those of an SA together where they come one after the other.
class Sealer {
 public:
  Sealer(const Underlay& underlay, Context& context) : underlay_(underlay), context_(context), clock_(wall_clock()) {}

  // The SA for a packet of that tunnel; kFine, or why there is none. An SA that was good at the begin of a burst has
  // numbers for all of it.
  OVERLANE_INLINE Counter choose(const Tunnel& tunnel, uint16_t flow) {
    const uint32_t lane = flow & (Association::kLanes - 1);
    if (OVERLANE_LIKELY(tunnel.association == association_ && lane == lane_)) return kFine;
    association_ = tunnel.association;
    lane_ = lane;
    return choose_other(tunnel);
  }

  // Wraps the datagram of `length` bytes at `vxlan` and puts it down to be sealed. Returns the bytes of the ESP packet,
  // which begins kFront before; 0 when there are no numbers left.
  uint32_t add(const Tunnel& tunnel, uint8_t* vxlan, uint32_t length, uint16_t flow) {
    PacketNumber number;
    if (OVERLANE_UNLIKELY(!sa_->next(clock_, number)) && !renew(tunnel, number)) return 0;
    write_udp(tunnel, vxlan - sizeof(Udp), length + sizeof(Udp), flow);
    const uint32_t bare = sizeof(Udp) + length + sizeof(EspTrailer);
    const uint32_t padding = -bare & (esp::kAlignment - 1);
    uint8_t* trailer = vxlan + length;
    for (uint32_t i = 0; i < padding; ++i) *trailer++ = static_cast<uint8_t>(i + 1);
    trailer[0] = static_cast<uint8_t>(padding);
    trailer[1] = ip_protocol::kUdp;
    aeads_[count_] = &sa_->aead();
    AeadJob& job = jobs_[count_++];
    auto& header = *reinterpret_cast<Esp*>(vxlan - kFront);
    header.spi = sa_->spi();
    header.sequence = static_cast<uint32_t>(number.sequence);
    store_be64(header.iv, number.iv);
    job.in = job.out = vxlan - sizeof(Udp);
    job.length = bare + padding;
    job.tag = job.out + job.length;
    number_job(job, *sa_, number);
    const uint32_t bytes = sizeof(Esp) + job.length + icv_;
    if (count_ == kMaxJobs) flush();
    return bytes;
  }

  // Seals what was put down. False, now and from then on: the engine has failed, and nothing may be sent.
  bool flush() {
    for (uint32_t i = 0, end; i < count_; i = end) {
      end = i + 1;
      while (end < count_ && aeads_[end] == aeads_[i]) ++end;
      good_ &= aeads_[i]->seal(jobs_ + i, end - i);
    }
    count_ = 0;
    return good_;
  }

  OVERLANE_NOINLINE Counter refuse(const Tunnel& tunnel, Counter reason) {
    context_.associations.alert(tunnel.association, alert_of(reason), clock_);
    return reason;
  }

 private:
  // In the middle of a burst an SA came to its end: another one, where there may be one.
  OVERLANE_NOINLINE bool renew(const Tunnel& tunnel, PacketNumber& number) {
    return choose_other(tunnel) == kFine && sa_->next(clock_, number);
  }

  OVERLANE_NOINLINE Counter choose_other(const Tunnel& tunnel) {
    if (tunnel.association == kNoAssociation) return Counter::drop_esp_engine;
    Association& association = context_.associations.at(tunnel.association);
    OutboundSa& sa = association.outbound[lane_ & (association.lanes - 1u)];
    if (OVERLANE_UNLIKELY(!sa.is_open() || sa.is_worn(clock_))) {
      flush();
      const Keyring& keyring = context_.associations.keyring(association.keyring);
      const OutboundSa::State state = sa.open(keyring, association.local, association.peer, clock_);
      if (state != OutboundSa::State::ready) {
        association_ = kNothing;
        return refuse(tunnel, reason_of(state));
      }
    }
    if (OVERLANE_UNLIKELY(sa.is_near_limit())) {
      context_.associations.alert(tunnel.association, Alert::limit_near, clock_);
    }
    sa_ = &sa;
    icv_ = association.icv_length;
    return kFine;
  }

  static OVERLANE_INLINE void number_job(AeadJob& job, const OutboundSa& sa, const PacketNumber& number) {
    std::memcpy(job.nonce, sa.salt(), 4);
    store_be64(job.nonce + 4, number.iv);
    store_be32(job.aad, sa.spi());
    if (sa.extended()) {
      store_be64(job.aad + 4, number.sequence);
      job.aad_length = 12;
    } else {
      store_be32(job.aad + 4, static_cast<uint32_t>(number.sequence));
      job.aad_length = 8;
    }
  }

  void write_udp(const Tunnel& tunnel, uint8_t* at, uint32_t length, uint16_t flow) const {
    auto& udp = *reinterpret_cast<Udp*>(at);
    udp.source = static_cast<uint16_t>(vxlan::kSourcePortBase | (flow & vxlan::kSourcePortMask));
    udp.destination = underlay_.udp_port;
    udp.length = static_cast<uint16_t>(length);
    udp.checksum = 0;
    if (OVERLANE_UNLIKELY(underlay_.send_checksum)) fill_udp_checksum(at, length, tunnel.pseudo_sum);
  }

  static constexpr uint32_t kNothing = kNoAssociation - 1;

  const Underlay& underlay_;
  Context& context_;
  const uint64_t clock_;
  uint32_t association_ = kNothing;  // chosen last
  uint32_t lane_ = 0;
  OutboundSa* sa_ = nullptr;
  uint32_t icv_ = 0;
  bool good_ = true;
  uint32_t count_ = 0;
  AeadJob jobs_[kMaxJobs];
  Aead* aeads_[kMaxJobs];
};

void begin_at(Packet& packet, uint8_t* data, uint32_t length, Datagram datagram, uint16_t stride) {
  packet.data = data;
  packet.length = length;
  datagram.stride = stride;
  set_datagram(packet, datagram);
}

// Segments [at, end) of a plan as one train.
struct Train {
  uint32_t at;
  uint32_t end;
  uint32_t room;  // bytes, at most
};

Train next_train(const Segmentation& plan, uint32_t at) {
  const uint32_t each =
      kFront + sizeof(Vxlan) + plan.header + plan.segment + esp::kMaxPadding + sizeof(EspTrailer) + esp::kMaxIcv;
  const uint32_t fits = std::min(kMaxTrain, std::max(1u, kMaxTrainBytes / each));
  const uint32_t end = std::min(plan.count, at + fits);
  return {at, end, (end - at) * each};
}

// Puts the segments of a super-frame down to be sealed, side by side. Returns how many there were numbers for.
uint32_t fill_train(Sealer& sealer, const Tunnel& tunnel, const Segmentation& plan, const Train& train,
                    const Packet& super, Packet& to) {
  const Datagram datagram = datagram_of(super);
  uint8_t* at = to.data;
  uint16_t stride = 0;
  uint32_t i = train.at;
  for (; i < train.end; ++i) {
    uint8_t* vxlan = at + kFront;
    store(vxlan, load<uint64_t>(super.data));
    write_segment(plan, i, vxlan + sizeof(Vxlan));
    const uint32_t length = sizeof(Vxlan) + plan.header + plan.payload_of(i);
    const uint32_t bytes = sealer.add(tunnel, vxlan, length, datagram.flow);
    if (OVERLANE_UNLIKELY(bytes == 0)) break;
    if (i == train.at) stride = static_cast<uint16_t>(bytes);
    at += bytes;
  }
  to.time = super.time;
  to.set_origin(super.source, super.ingress, super.domain);
  begin_at(to, to.data, static_cast<uint32_t>(at - to.data), datagram, i - train.at > 1 ? stride : uint16_t{0});
  return i - train.at;
}

}  // namespace

void seal(Burst& burst, const Underlay& underlay, Context& context) {
  Sealer sealer(underlay, context);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    const Tunnel& tunnel = context.tunnels[tunnel_index(packet->source)];
    const Datagram datagram = datagram_of(*packet);
    Counter reason = OVERLANE_UNLIKELY(packet->cut != 0) ? Counter::drop_esp_cut : sealer.choose(tunnel, datagram.flow);
    if (OVERLANE_LIKELY(reason == kFine)) {
      const uint32_t bytes = sealer.add(tunnel, packet->data, packet->length, datagram.flow);
      if (OVERLANE_UNLIKELY(bytes == 0)) reason = sealer.refuse(tunnel, Counter::drop_esp_exhausted);
      begin_at(*packet, packet->data - kFront, bytes, datagram, 0);
    }
    if (OVERLANE_LIKELY(reason == kFine)) {
      burst.packets[kept++] = packet;
    } else {
      context.counters.drop(packet, reason);
    }
  }
  if (OVERLANE_UNLIKELY(!sealer.flush())) {
    for (uint32_t i = 0; i < kept; ++i) {
      sealer.refuse(context.tunnels[tunnel_index(burst.packets[i]->source)], Counter::drop_esp_engine);
      context.counters.drop(burst.packets[i], Counter::drop_esp_engine);
    }
    kept = 0;
  }
  context.counters.port(underlay.carrier).add(Counter::sealed, kept);
  burst.count = kept;
}

uint32_t seal_super_frame(Packet* packet, const Underlay& underlay, Packet** out, uint32_t max, Context& context) {
  const Tunnel& tunnel = context.tunnels[tunnel_index(packet->source)];
  const Datagram datagram = datagram_of(*packet);
  Sealer sealer(underlay, context);
  Segmentation plan;
  Counter reason = sealer.choose(tunnel, datagram.flow);
  if (reason == kFine && !plan_segments(packet->data + sizeof(Vxlan), packet->length - sizeof(Vxlan), packet->headers,
                                        packet->segment, plan)) {
    reason = Counter::drop_offload;
  }
  if (reason != kFine) return context.counters.drop(packet, reason), 0;
  CounterRow& row = context.counters.port(packet->ingress);
  row.add(Counter::segmented, plan.count - 1);
  uint32_t made = 0;
  uint32_t sealed = 0;
  for (Train train = next_train(plan, 0); train.at < plan.count; train = next_train(plan, train.end)) {
    Packet* to = made == max ? nullptr : context.pools.take(train.room);
    if (to == nullptr) {
      row.add(Counter::drop_pool_empty, train.end - train.at);
      continue;
    }
    const uint32_t filled = fill_train(sealer, tunnel, plan, train, *packet, *to);
    const bool good = sealer.flush();
    const uint32_t done = good ? filled : 0;
    if (OVERLANE_UNLIKELY(done < train.end - train.at)) {
      row.add(sealer.refuse(tunnel, good ? Counter::drop_esp_exhausted : Counter::drop_esp_engine),
              train.end - train.at - done);
    }
    if (OVERLANE_UNLIKELY(done == 0)) {
      release(to);
      continue;
    }
    sealed += done;
    out[made++] = to;
  }
  context.counters.port(underlay.carrier).add(Counter::sealed, sealed);
  release(packet);
  return made;
}

}  // namespace overlane
