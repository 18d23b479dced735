#include "stage/esp_frame.h"

#include <cstring>

#include "core/datagram.h"
#include "stage/ecn.h"
#include "stage/next_hop.h"
#include "stage/vxlan_encap.h"
#include "wire/checksum.h"
#include "wire/esp.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"
#include "wire/vxlan.h"

namespace overlane {

namespace {

uint32_t ip_length(bool v4) {
  return v4 ? sizeof(Ipv4) : sizeof(Ipv6);
}

// Lengths, ECN bits and checksums of outer headers that begin at `frame`.
void finish_ipv4(uint8_t* frame, const Tunnel& tunnel, uint32_t length, uint8_t tos) {
  auto& ip = *reinterpret_cast<Ipv4*>(frame + sizeof(Ethernet));
  ip.tos = tos;
  ip.total_length = static_cast<uint16_t>(length);
  store<uint16_t>(&ip.checksum,
                  ~checksum_fold(tunnel.ipv4_sum + (uint32_t{tos} << 8) + swap16(static_cast<uint16_t>(length))));
}

void finish_ipv6(uint8_t* frame, uint32_t length, uint8_t tos) {
  auto& ip = *reinterpret_cast<Ipv6*>(frame + sizeof(Ethernet));
  ip.version_class_flow.bytes[1] |= static_cast<uint8_t>(tos << 4);
  ip.payload_length = static_cast<uint16_t>(length - sizeof(Ipv6));
}

void finish_udp(uint8_t* at, const Underlay& underlay, const Tunnel& tunnel, uint32_t length, uint16_t flow) {
  auto& udp = *reinterpret_cast<Udp*>(at);
  // One source port an SA: whoever spreads by ports keeps its packets together.
  udp.source = static_cast<uint16_t>(vxlan::kSourcePortBase | (flow & (Association::kLanes - 1)));
  udp.length = static_cast<uint16_t>(length);
  if (underlay.send_checksum) fill_udp_checksum(at, length, tunnel.pseudo_sum);
}

// Whether a parsed frame is ESP for that underlay; `esp`: where in it.
bool is_esp_for(const Packet& packet, const Underlay& underlay, uint32_t& at) {
  const Headers& h = packet.headers;
  if (h.ip_version == 0 || (h.ip_version == 4) != underlay.local.is_v4()) return false;
  const uint8_t* ip = packet.data + h.l3;
  const IpAddress to = h.ip_version == 4 ? IpAddress::v4(ip + 16) : IpAddress::v6(ip + 24);
  if (to != underlay.local || h.flags & kFragment || h.l4 == 0) return false;
  at = h.l4;
  if (underlay.esp == EspCarriage::ip) return h.protocol == ip_protocol::kEsp;
  at = h.payload;
  return h.protocol == ip_protocol::kUdp && h.payload != 0 && load_be16(packet.data + h.l4 + 2) == underlay.esp_port;
}

// What is there is whole, as far as outer headers say.
Counter take_off(Packet& packet, uint32_t at) {
  const Headers& h = packet.headers;
  if (h.status != ParseStatus::ok || h.end < at || h.end > packet.length + packet.cut)
    return Counter::drop_underlay_malformed;
  const uint8_t* ip = packet.data + h.l3;
  const bool v4 = h.ip_version == 4;
  if (v4 && checksum_fold(checksum_add(ip, (ip[0] & 15) * 4)) != 0xffff) return Counter::drop_underlay_checksum;
  Datagram datagram{};
  datagram.peer = v4 ? IpAddress::v4(ip + 12) : IpAddress::v6(ip + 8);
  datagram.tos = v4 ? ip[1] & ecn::kMask : ip[1] >> 4 & ecn::kMask;
  if (packet.length > h.end) packet.length = h.end;
  packet.data += at;
  packet.length -= at;
  packet.segment = packet.flags = 0;
  set_datagram(packet, datagram);
  return Counter::count_;
}

}  // namespace

void keep_resolved(Burst& burst, Context& context) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    const Tunnel& tunnel = context.tunnels[tunnel_index(packet->source)];
    if (OVERLANE_LIKELY(tunnel.resolved) || pass_next_hop(packet, context)) burst.packets[kept++] = packet;
  }
  burst.count = kept;
}

void esp_encap(Burst& burst, const Underlay& underlay, Context& context) {
  const bool v4 = underlay.local.is_v4();
  uint32_t kept = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    const Tunnel& tunnel = context.tunnels[tunnel_index(packet->source)];
    const Datagram datagram = datagram_of(*packet);
    const uint32_t length = packet->length + tunnel.outer - static_cast<uint32_t>(sizeof(Ethernet));
    if (OVERLANE_UNLIKELY(length > underlay.mtu)) {
      context.counters.drop(packet, Counter::drop_mtu);
      continue;
    }
    // One store of a cache line: what it writes before the headers is headroom.
    std::memcpy(packet->data - kCacheLine, tunnel.header + sizeof tunnel.header - sizeof(Vxlan) - kCacheLine,
                kCacheLine);
    packet->data -= tunnel.outer;
    packet->length += tunnel.outer;
    if (v4) {
      finish_ipv4(packet->data, tunnel, length, datagram.tos);
    } else {
      finish_ipv6(packet->data, length, datagram.tos);
    }
    if (underlay.esp == EspCarriage::udp) {
      finish_udp(packet->data + sizeof(Ethernet) + ip_length(v4), underlay, tunnel, length - ip_length(v4),
                 datagram.flow);
    }
    burst.packets[kept++] = packet;
  }
  burst.count = kept;
}

uint16_t esp_decap(Burst& burst, uint16_t carrier, Burst& esp, Context& context) {
  uint16_t found = kNoUnderlay;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    uint32_t at = 0;
    bool taken = false;
    for (uint16_t index : context.carried[carrier]) {
      const Underlay& underlay = context.underlays[index];
      if (underlay.esp == EspCarriage::none || !is_esp_for(*packet, underlay, at)) continue;
      taken = found == kNoUnderlay || found == index;
      if (taken) found = index;
      break;
    }
    if (!taken) {
      burst.packets[kept++] = packet;
      continue;
    }
    const Counter reason = take_off(*packet, at);
    if (OVERLANE_LIKELY(reason == Counter::count_)) {
      esp.packets[esp.count++] = packet;
    } else {
      context.counters.drop(packet, reason);
    }
  }
  burst.count = kept;
  return found;
}

}  // namespace overlane
