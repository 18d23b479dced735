// What the stage `open` does with one ESP packet: whose it is, how it opens, and whether that may be believed.
#pragma once

#include "stage/context.h"
#include "wire/esp.h"
#include "wire/ethernet.h"
#include "wire/udp.h"
#include "wire/vxlan.h"

namespace overlane {

class Opener {
 public:
  static constexpr Counter kFine = Counter::count_;
  static constexpr uint32_t kFront = sizeof(Esp) + sizeof(Udp);  // what is before the VXLAN header

  Opener(uint16_t underlay, Context& context) : underlay_(underlay), context_(context), clock_(wall_clock()) {}

  // The SA of an ESP packet of `length` bytes; kFine, or why there is none. nullptr with kFine: not known yet.
  OVERLANE_INLINE Counter find(const IpAddress& peer, const uint8_t* packet, uint32_t length, InboundSa*& sa) {
    if (OVERLANE_UNLIKELY(length < kShortest)) return Counter::drop_esp_truncated;
    const uint32_t spi = reinterpret_cast<const Esp*>(packet)->spi;
    if (OVERLANE_UNLIKELY(last_ == nullptr || spi != last_->spi || peer != last_peer_)) {
      last_ = context_.associations.find(underlay_, peer, spi);
      last_peer_ = peer;
    }
    sa = last_;
    return OVERLANE_UNLIKELY(sa != nullptr && !fits(*sa, length)) ? Counter::drop_esp_truncated : kFine;
  }
  // As find(), of an SPI that is new to us: derives keys and tries them. May forget another SA.
  Counter recognize(const IpAddress& peer, uint8_t* packet, uint32_t length, InboundSa*& sa);

  // What has to be done to open a packet of that SA, to `out`; and the number that it will have.
  static void prepare(const InboundSa& sa, uint8_t* packet, uint32_t length, uint8_t* out, AeadJob& job,
                      PacketNumber& number) {
    const auto& header = *reinterpret_cast<const Esp*>(packet);
    number.sequence = sa.extended ? sa.window.infer(header.sequence) : uint64_t{header.sequence};
    prepare_numbered(sa, packet, length, out, job, number);
  }

  // After authentication. `inner`: the bytes of VXLAN and frame, behind the UDP header at `plain`.
  Counter check(InboundSa& sa, const PacketNumber& number, const uint8_t* plain, uint32_t length, uint32_t& inner) {
    if (OVERLANE_LIKELY(sa.extended)) {
      const uint64_t time = number.iv - sa.iv_mask;
      if (OVERLANE_UNLIKELY(!sa.window.is_new(number.sequence))) return Counter::drop_esp_replay;
      if (OVERLANE_UNLIKELY(time <= sa.floor)) return Counter::drop_esp_stale;
      sa.window.note(number.sequence);
      if (time > sa.newest_iv) sa.newest_iv = time;
    }
    sa.heard = clock_;
    return unwrap(plain, length, inner);
  }

  uint16_t keyring_of(const InboundSa& sa) const { return context_.associations.at(sa.association).keyring; }

 private:
  // The shortest ESP packet: an empty frame, and the shorter ICV.
  static constexpr uint32_t kShortest = kFront + sizeof(Vxlan) + sizeof(Ethernet) + sizeof(EspTrailer) + 8;

  static void prepare_numbered(const InboundSa& sa, uint8_t* packet, uint32_t length, uint8_t* out, AeadJob& job,
                               PacketNumber& number);
  static bool fits(const InboundSa& sa, uint32_t length) {
    return length >= kShortest - 8 + sa.icv_length && (length - sizeof(Esp) - sa.icv_length) % esp::kAlignment == 0;
  }
  bool opens(InboundSa& sa, uint8_t* packet, uint32_t length, PacketNumber& number);
  Counter unwrap(const uint8_t* plain, uint32_t length, uint32_t& inner) const;

  uint16_t underlay_;
  Context& context_;
  uint64_t clock_;
  InboundSa* last_ = nullptr;
  IpAddress last_peer_;
};

}  // namespace overlane
