#include "stage/vxlan_datagram.h"

#include "core/datagram.h"
#include "stage/ecn.h"
#include "stage/flow.h"
#include "stage/vlan_tag.h"
#include "wire/vxlan.h"

namespace overlane {

namespace {

constexpr Counter kFine = Counter::count_;

// What the packet before was from: most trains are followed by one of the same peer.
struct Last {
  IpAddress peer;
  uint32_t vni = UINT32_MAX;
  uint32_t tunnel = 0;
  uint16_t domain = kNoDomain;
  uint16_t keyring = kNoKeyring;
};

Counter find_tunnel(uint16_t underlay, const Datagram& datagram, uint32_t vni, Context& context, Last& last) {
  if (OVERLANE_LIKELY(last.vni == vni && last.peer == datagram.peer && last.keyring == datagram.keyring)) return kFine;
  const uint16_t* domain = context.vnis.find({underlay, vni});
  if (domain == nullptr) return unknown_vni(underlay, vni, context);
  if (context.domains[*domain].keyring != datagram.keyring) return Counter::drop_esp_keyring;
  const uint32_t* tunnel = context.vteps.find({datagram.peer, *domain});
  if (tunnel == nullptr) return Counter::drop_vtep_unknown;
  last = {datagram.peer, vni, *tunnel, *domain, datagram.keyring};
  return kFine;
}

OVERLANE_INLINE Counter open(Packet& packet, uint16_t carrier, uint16_t underlay, Context& context, Last& last) {
  if (OVERLANE_UNLIKELY(packet.length < sizeof(Vxlan) + sizeof(Ethernet))) return Counter::drop_vxlan_truncated;
  const Datagram datagram = datagram_of(packet);
  const auto& header = *reinterpret_cast<const Vxlan*>(packet.data);
  if (OVERLANE_UNLIKELY(!(header.flags & vxlan::kValidVni))) return Counter::drop_vxlan_flags;
  const Counter unknown = find_tunnel(underlay, datagram, header.vni, context, last);
  if (OVERLANE_UNLIKELY(unknown != kFine)) return unknown;
  packet.set_origin(kTunnelBit | last.tunnel, carrier, last.domain);
  packet.data += sizeof(Vxlan);
  packet.length -= sizeof(Vxlan);
  if (OVERLANE_UNLIKELY((datagram.tos & ecn::kMask) == ecn::kCongestion) &&
      !carry_congestion(packet.data, packet.length)) {
    return Counter::drop_ecn;
  }
  return kFine;
}

}  // namespace

void vxlan_to_datagrams(Burst& burst, const Underlay& underlay, Context& context) {
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet& packet = *burst.packets[i];
    const Tunnel& tunnel = context.tunnels[tunnel_index(packet.source)];
    if (OVERLANE_UNLIKELY(tunnel.untag)) pop_vlan_tag(packet);
    const Datagram datagram{tunnel.vtep, static_cast<uint16_t>(flow_hash(packet.data, packet.headers)),
                            outer_ecn(packet)};
    packet.data -= sizeof(Vxlan);
    packet.length += sizeof(Vxlan);
    store(packet.data, load<uint64_t>(tunnel.header + sizeof tunnel.header - sizeof(Vxlan)));
    set_datagram(packet, datagram);
  }
  context.counters.port(underlay.carrier).add(Counter::encapsulated, burst.count);
}

Counter unknown_vni(uint16_t underlay, uint32_t vni, Context& context) {
  if (context.underlays[underlay].esp != EspCarriage::none) return Counter::drop_vni_unknown;
  return context.encrypted_vnis.find({kNoUnderlay, vni}) != nullptr ? Counter::drop_cleartext
                                                                    : Counter::drop_vni_unknown;
}

void vxlan_from_datagrams(Burst& burst, uint16_t carrier, uint16_t underlay, Context& context) {
  Last last;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    const Counter reason = open(*packet, carrier, underlay, context, last);
    if (OVERLANE_LIKELY(reason == kFine)) {
      burst.packets[kept++] = packet;
    } else {
      context.counters.drop(packet, reason);
    }
  }
  context.counters.port(carrier).add(Counter::decapsulated, kept);
  burst.count = kept;
}

}  // namespace overlane
