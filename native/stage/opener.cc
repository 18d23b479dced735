#include "stage/opener.h"

#include <cstring>

#include "wire/ipv4.h"

namespace overlane {

void Opener::prepare_numbered(const InboundSa& sa, uint8_t* packet, uint32_t length, uint8_t* out, AeadJob& job,
                              PacketNumber& number) {
  const auto& header = *reinterpret_cast<const Esp*>(packet);
  number.iv = load_be64(header.iv);
  job.in = packet + sizeof(Esp);
  job.out = out;
  job.length = length - static_cast<uint32_t>(sizeof(Esp)) - sa.icv_length;
  job.tag = packet + length - sa.icv_length;
  std::memcpy(job.nonce, sa.salt, sizeof sa.salt);
  std::memcpy(job.nonce + sizeof sa.salt, header.iv, sizeof header.iv);
  store<uint32_t>(job.aad, load<uint32_t>(packet));
  if (sa.extended) {
    store_be64(job.aad + 4, number.sequence);
    job.aad_length = 12;
  } else {
    store_be32(job.aad + 4, static_cast<uint32_t>(number.sequence));
    job.aad_length = 8;
  }
}

// The sequence number's high half is not on the wire: it is 0, but for the last number that an SA may use, 2^32.
bool Opener::opens(InboundSa& sa, uint8_t* packet, uint32_t length, PacketNumber& number) {
  Packet* scratch = context_.pools.take(length);
  if (scratch == nullptr) return false;
  AeadJob job;
  const uint32_t low = reinterpret_cast<const Esp*>(packet)->sequence;
  number.sequence = low == 0 ? OutboundSa::kMaxPackets : low;
  prepare_numbered(sa, packet, length, scratch->data, job, number);
  sa.aead->open(&job, 1);
  release(scratch);
  return job.good;
}

OVERLANE_NOINLINE Counter Opener::recognize(const IpAddress& peer, uint8_t* packet, uint32_t length, InboundSa*& sa) {
  Associations& all = context_.associations;
  uint32_t index = all.first_of(underlay_, peer);
  if (index == kNoAssociation) return Counter::drop_vtep_unknown;
  const uint32_t spi = reinterpret_cast<const Esp*>(packet)->spi;
  for (; index != kNoAssociation; index = all.at(index).next_of_peer) {
    const Association& association = all.at(index);
    const Keyring& keyring = all.keyring(association.keyring);
    if (!keyring.strong()) continue;
    for (size_t i = 0; i < keyring.keys.size(); ++i) {
      if (spi >> 24 != association.hints[i]) continue;
      auto found = std::make_unique<InboundSa>();
      PacketNumber number;
      if (!open_inbound(keyring, keyring.keys[i], association.local, peer, spi, *found) || !fits(*found, length) ||
          !opens(*found, packet, length, number)) {
        continue;
      }
      if (number.iv - found->iv_mask <= association.floor) {
        all.alert(index, Alert::stale, clock_);
        return Counter::drop_esp_stale;
      }
      if (number.sequence >> 32 != 0) found->window.note(number.sequence - 1);
      found->newest_iv = found->floor = association.floor;
      found->heard = clock_;
      last_ = nullptr;  // it may have made room
      sa = all.add(index, std::move(found));
      return kFine;
    }
  }
  return Counter::drop_esp_spi;
}

Counter Opener::unwrap(const uint8_t* plain, uint32_t length, uint32_t& inner) const {
  const auto& trailer = *reinterpret_cast<const EspTrailer*>(plain + length - sizeof(EspTrailer));
  const uint32_t rest = sizeof(EspTrailer) + trailer.pad_length;
  if (OVERLANE_UNLIKELY(trailer.next_header != ip_protocol::kUdp || length < sizeof(Udp) + rest)) {
    return Counter::drop_esp_inner;
  }
  const uint8_t* padding = plain + length - rest;
  for (uint32_t i = 0; i < trailer.pad_length; ++i) {
    if (OVERLANE_UNLIKELY(padding[i] != static_cast<uint8_t>(i + 1))) return Counter::drop_esp_inner;
  }
  const auto& udp = *reinterpret_cast<const Udp*>(plain);
  if (OVERLANE_UNLIKELY(udp.destination != context_.underlays[underlay_].udp_port || udp.length != length - rest)) {
    return Counter::drop_esp_inner;
  }
  inner = length - rest - static_cast<uint32_t>(sizeof(Udp));
  return OVERLANE_LIKELY(inner >= sizeof(Vxlan) + sizeof(Ethernet)) ? kFine : Counter::drop_vxlan_truncated;
}

}  // namespace overlane
