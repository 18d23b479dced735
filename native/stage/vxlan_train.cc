#include "stage/vxlan_train.h"

#include <algorithm>

#include "core/datagram.h"
#include "offload/segment.h"
#include "stage/vlan_tag.h"
#include "stage/vxlan_encap.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"

namespace overlane {

namespace {

// Of a train with all its headers. A byte more, and the kernel takes it apart itself (gso_max_size of most devices).
constexpr uint32_t kMaxBytes = 65535;

// The tag that a tunnel leaves here. Nobody is to look for it again.
void take_tag_off(Packet& packet) {
  pop_vlan_tag(packet);
  packet.headers.flags &= static_cast<uint8_t>(~kTagged);
}

// Segments [at, end), a VXLAN header before each but the first.
void write_segments(const Segmentation& plan, uint32_t at, uint32_t end, uint64_t vxlan, Packet& to) {
  uint8_t* write = to.data;
  for (uint32_t i = at; i < end; ++i) {
    if (i != at) {
      store(write, vxlan);
      write += sizeof(Vxlan);
    }
    write_segment(plan, i, write);
    write += plan.header + plan.payload_of(i);
  }
  to.length = static_cast<uint32_t>(write - to.data);
}

// What makes a packet with outer headers a super-frame of UDP.
void become_train(Packet& packet, const Tunnel& tunnel, uint32_t stride) {
  const bool v4 = tunnel.vtep.is_v4();
  const uint32_t udp = tunnel.outer - static_cast<uint32_t>(sizeof(Udp));
  const uint16_t open = checksum_fold(tunnel.pseudo_sum + swap32(packet.length - udp));
  store(packet.data + udp + offsetof(Udp, checksum), open);
  packet.segment = static_cast<uint16_t>(stride);
  packet.flags = kPartialChecksum | kTrain;
  packet.headers = {};
  packet.headers.end = packet.length;
  packet.headers.ether_type = v4 ? ether_type::kIpv4 : ether_type::kIpv6;
  packet.headers.l3 = sizeof(Ethernet);
  packet.headers.l4 = static_cast<uint16_t>(udp);
  packet.headers.payload = tunnel.outer;
  packet.headers.ip_version = v4 ? 4 : 6;
  packet.headers.protocol = ip_protocol::kUdp;
}

}  // namespace

uint32_t vxlan_train(Packet* super, const Underlay& underlay, Packet** out, uint32_t max, Context& context) {
  const Tunnel& tunnel = context.tunnels[tunnel_index(super->source)];
  if (tunnel.untag) take_tag_off(*super);
  Segmentation plan;
  if (super->flags & kInnerOffload || super->cut != 0 || !tunnel.resolved ||
      !plan_segments(super->data, super->length, super->headers, super->segment, plan)) {
    return 0;
  }
  const uint32_t stride = sizeof(Vxlan) + plan.header + plan.payload_of(0);
  const uint32_t each = std::min(kMaxTrain, (kMaxBytes - tunnel.outer) / stride);
  if (plan.count == 1 || each < 2 || stride - sizeof(Vxlan) > longest_frame(underlay)) return 0;
  const uint32_t trains = (plan.count + each - 1) / each;
  // Only the last may be small.
  if (trains > max || context.pools.large().available() < trains || context.pools.small().available() == 0) return 0;
  const uint64_t vxlan = load<uint64_t>(tunnel.header + sizeof tunnel.header - sizeof(Vxlan));
  for (uint32_t at = 0, made = 0; at < plan.count; at += each, ++made) {
    const uint32_t count = std::min(each, plan.count - at);
    Packet* to = out[made] = context.pools.take(count * stride);
    write_segments(plan, at, at + count, vxlan, *to);
    to->time = super->time;
    to->headers = super->headers;
    to->headers.end = to->length;
    to->set_origin(super->source, super->ingress, super->domain);
    if (count == 1) break;
    push_tunnel(*to, tunnel, false);
    become_train(*to, tunnel, stride);
    context.counters.port(underlay.carrier).add(Counter::encapsulated, count - 1);
  }
  context.counters.port(super->ingress).add(Counter::segmented, trains - 1);
  release(super);
  return trains;
}

}  // namespace overlane
