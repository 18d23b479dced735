#include "stage/outer.h"

#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"

namespace overlane {

namespace {

constexpr Counter kFine = Counter::count_;

bool udp_checksum_holds(const Packet& packet, const Outer& outer) {
  const uint8_t* udp = packet.data + packet.headers.l4;
  if (load<uint16_t>(udp + 6) == 0) return true;
  const uint32_t length = packet.headers.end - packet.headers.l4;
  const uint64_t pseudo = packet.headers.ip_version == 4
                              ? checksum_pseudo_ipv4(outer.ip + 12, outer.ip + 16, ip_protocol::kUdp, length)
                              : checksum_pseudo_ipv6(outer.ip + 8, outer.ip + 24, ip_protocol::kUdp, length);
  return checksum_fold(checksum_add(udp, length, pseudo)) == 0xffff;
}

bool checksums_hold(const Packet& packet, const Outer& outer, const Context& context) {
  if (packet.headers.ip_version == 4) {
    if (checksum_fold(checksum_add(outer.ip, (outer.ip[0] & 15) * 4)) != 0xffff) return false;
  }
  if (packet.flags & kPartialChecksum) return true;
  return !context.underlays[outer.underlay].verify_checksum || udp_checksum_holds(packet, outer);
}

}  // namespace

Counter match_underlay(const Packet& packet, uint16_t carrier, const Context& context, Outer& outer) {
  const Headers& h = packet.headers;
  if (h.ip_version == 0) return Counter::drop_underlay_other;
  outer.ip = packet.data + h.l3;
  IpAddress destination;
  if (OVERLANE_LIKELY(h.ip_version == 4)) {
    outer.source = IpAddress::v4(outer.ip + 12);
    destination = IpAddress::v4(outer.ip + 16);
    outer.tos = outer.ip[1];
  } else {
    outer.source = IpAddress::v6(outer.ip + 8);
    destination = IpAddress::v6(outer.ip + 24);
    outer.tos = static_cast<uint8_t>(load_be16(outer.ip) >> 4);
  }
  bool local = false;
  for (uint16_t index : context.carried[carrier]) {
    const Underlay& underlay = context.underlays[index];
    if (underlay.local != destination) continue;
    local = true;
    if (underlay.esp != EspCarriage::none) continue;
    if (h.payload == 0 || load_be16(packet.data + h.l4 + 2) != underlay.udp_port) continue;
    outer.underlay = index;
    break;
  }
  if (!local) return Counter::drop_underlay_other;
  if (OVERLANE_UNLIKELY(h.status != ParseStatus::ok)) return Counter::drop_underlay_malformed;
  if (h.protocol != ip_protocol::kUdp) return Counter::drop_underlay_other;
  if (OVERLANE_UNLIKELY(h.flags & kFragment)) return Counter::drop_underlay_fragment;
  if (outer.underlay == kNoUnderlay) return Counter::drop_underlay_other;
  return checksums_hold(packet, outer, context) ? kFine : Counter::drop_underlay_checksum;
}

}  // namespace overlane
