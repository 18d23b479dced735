#include "stage/vxlan_decap.h"

#include "stage/ecn.h"
#include "stage/next_hop.h"
#include "stage/outer.h"
#include "stage/vxlan_datagram.h"
#include "stage/vxlan_encap.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"
#include "wire/vxlan.h"

namespace overlane {

namespace {

constexpr Counter kFine = Counter::count_;

Counter find_tunnel(const Outer& outer, uint32_t vni, Context& context, uint32_t& tunnel) {
  const uint16_t* domain = context.vnis.find({outer.underlay, vni});
  if (domain == nullptr) return unknown_vni(outer.underlay, vni, context);
  const uint32_t* found = context.vteps.find({outer.source, *domain});
  if (found == nullptr) return Counter::drop_vtep_unknown;
  tunnel = *found;
  return kFine;
}

// Without resolution, the next hop towards a VTEP is where its packets come from, until the control plane says
// otherwise.
OVERLANE_NOINLINE void resolve(const Packet& packet, uint32_t index, Context& context) {
  Tunnel& tunnel = context.tunnels[index];
  prepare_tunnel(tunnel, context.domains[tunnel.domain], context.underlays[tunnel.underlay], source_mac(packet.data));
}

// What the outer headers had left to hardware goes with them; what the inner ones had stays.
OVERLANE_NOINLINE void leave_outer(Packet& packet) {
  if (packet.flags & kInnerOffload) {
    packet.flags &= static_cast<uint16_t>(~kInnerOffload);
  } else {
    packet.flags = 0;
  }
}

// Takes the outer headers off. `inner` is where the frame starts, `end` where the UDP payload ends.
OVERLANE_INLINE Counter strip(Packet& packet, uint32_t inner, uint32_t end, uint8_t ecn) {
  packet.data += inner;
  packet.length = end - inner;
  if (OVERLANE_UNLIKELY(!packet.is_ordinary())) leave_outer(packet);
  return OVERLANE_UNLIKELY(ecn == ecn::kCongestion) && !carry_congestion(packet.data, packet.length) ? Counter::drop_ecn
                                                                                                     : kFine;
}

// Any outer headers, step by step; remembers what it found for decap_usual.
OVERLANE_NOINLINE Counter decap_any(Packet& packet, uint16_t carrier, Context& context) {
  Outer outer;
  const Counter other = match_underlay(packet, carrier, context, outer);
  if (other != kFine) return other;
  const uint8_t* udp = packet.data + packet.headers.l4;
  const uint32_t end = udp_end(packet);
  const uint32_t inner = packet.headers.payload + sizeof(Vxlan);
  if (end < inner + sizeof(Ethernet)) return Counter::drop_vxlan_truncated;
  const auto& header = *reinterpret_cast<const Vxlan*>(udp + sizeof(Udp));
  if (!(header.flags & vxlan::kValidVni)) return Counter::drop_vxlan_flags;
  uint32_t index;
  const Counter unknown = find_tunnel(outer, header.vni, context, index);
  if (unknown != kFine) return unknown;
  const Tunnel& tunnel = context.tunnels[index];
  if (!tunnel.resolved && !context.underlays[outer.underlay].resolve) resolve(packet, index, context);
  if (packet.headers.ip_version == 4 && !context.underlays[outer.underlay].verify_checksum) {
    const uint64_t addresses = load<uint64_t>(outer.ip + 12);
    const uint64_t rest = VtepCache::rest_of(header.vni.bytes, carrier, udp + 2);
    context.recent_vteps.of(addresses, rest) = {addresses, rest, index, tunnel.domain};
  }
  packet.set_origin(kTunnelBit | index, carrier, tunnel.domain);
  return strip(packet, inner, end, outer.tos & ecn::kMask);
}

// An untagged UDP packet over IPv4 without options, whole, to and from where decap_any found a tunnel lately. False:
// not that, and the packet is as it was.
OVERLANE_INLINE bool decap_usual(Packet& packet, uint16_t carrier, Context& context, Counter& reason) {
  constexpr uint32_t kUdpAt = sizeof(Ethernet) + sizeof(Ipv4);
  constexpr uint32_t kVxlanAt = kUdpAt + sizeof(Udp);
  constexpr uint32_t kInnerAt = kVxlanAt + sizeof(Vxlan);
  const uint8_t* frame = packet.data;
  const uint32_t end = kUdpAt + load_be16(frame + kUdpAt + 4);
  if (OVERLANE_UNLIKELY(!packet.headers.is_plain_udp() || end < kInnerAt + sizeof(Ethernet))) return false;
  const auto& header = *reinterpret_cast<const Vxlan*>(frame + kVxlanAt);
  const uint64_t addresses = load<uint64_t>(frame + sizeof(Ethernet) + 12);
  const uint64_t rest = VtepCache::rest_of(header.vni.bytes, carrier, frame + kUdpAt + 2);
  const VtepCache::Entry& found = context.recent_vteps.of(addresses, rest);
  if (OVERLANE_UNLIKELY(found.addresses != addresses || found.rest != rest || !(header.flags & vxlan::kValidVni) ||
                        checksum_ipv4(frame + sizeof(Ethernet)) != 0xffff)) {
    return false;
  }
  const uint8_t ecn = frame[sizeof(Ethernet) + 1] & ecn::kMask;
  packet.set_origin(kTunnelBit | found.tunnel, carrier, found.domain);
  reason = strip(packet, kInnerAt, end, ecn);
  return true;
}

}  // namespace

void vxlan_decap(Burst& burst, uint16_t carrier, Context& context) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    Counter reason = kFine;
    if (OVERLANE_UNLIKELY(!decap_usual(*packet, carrier, context, reason)))
      reason = decap_any(*packet, carrier, context);
    if (OVERLANE_LIKELY(reason == kFine)) {
      burst.packets[kept++] = packet;
    } else if (reason != Counter::drop_underlay_other || !take_neighbor_message(packet, carrier, context)) {
      context.counters.drop(packet, reason);
    }
  }
  context.counters.port(carrier).add(Counter::decapsulated, kept);
  burst.count = kept;
}

}  // namespace overlane
