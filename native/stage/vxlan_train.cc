#include "stage/vxlan_train.h"

#include <algorithm>
#include <cstring>

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

// Frames of one flow, put together from the first on, are of that flow too.
void inherit(Packet& packet, const Packet& from) {
  packet.time = from.time;
  packet.headers = from.headers;
  packet.headers.end = packet.length;
  packet.set_origin(from.source, from.ingress, from.domain);
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

// Outer headers before datagrams side by side, of `stride` bytes each, the first without its VXLAN header: a
// super-frame of UDP.
void become_train(Packet& packet, const Tunnel& tunnel, uint32_t stride) {
  push_tunnel(packet, tunnel, false);
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

// Whether a datagram may follow `first` in a train: the same outer headers but for lengths and checksums, and no
// longer.
bool continues(const Packet& next, const Packet& first, uint32_t outer) {
  constexpr uint32_t kTrafficClass = sizeof(Ethernet);  // and the IP version
  const uint32_t ports = outer - static_cast<uint32_t>(sizeof(Udp));
  return next.is_ordinary() && next.cut == 0 && next.source == first.source && next.length <= first.length &&
         load<uint16_t>(next.data + kTrafficClass) == load<uint16_t>(first.data + kTrafficClass) &&
         load<uint32_t>(next.data + ports) == load<uint32_t>(first.data + ports);
}

// How many packets from the first on make a train, and its bytes.
uint32_t find_train(Packet* const* packets, uint32_t count, uint32_t outer, uint32_t& bytes) {
  const Packet& first = *packets[0];
  bytes = first.length;
  if (!first.is_ordinary() || first.cut != 0) return 1;
  uint32_t found = 1;
  while (found < std::min(count, kMaxTrain)) {
    const Packet& next = *packets[found];
    if (!continues(next, first, outer) || bytes + next.length - outer > kMaxBytes) break;
    bytes += next.length - outer;
    ++found;
    if (next.length != first.length) break;
  }
  return found;
}

// All datagrams behind outer headers as the first has them. nullptr: no buffer.
Packet* join(Packet* const* packets, uint32_t count, uint32_t bytes, const Tunnel& tunnel, Context& context) {
  Packet* to = context.pools.take(bytes);
  if (to == nullptr) return nullptr;
  const Packet& first = *packets[0];
  uint32_t skipped = tunnel.outer + static_cast<uint32_t>(sizeof(Vxlan));
  to->length = 0;
  for (uint32_t i = 0; i < count; ++i, skipped = tunnel.outer) {
    std::memcpy(to->data + to->length, packets[i]->data + skipped, packets[i]->length - skipped);
    to->length += packets[i]->length - skipped;
  }
  inherit(*to, first);
  become_train(*to, tunnel, first.length - tunnel.outer);
  return to;
}

}  // namespace

void gather_trains(Burst& burst, Context& context) {
  uint32_t kept = 0;
  uint32_t found;
  for (uint32_t i = 0; i < burst.count; i += found) {
    Packet** run = &burst.packets[i];
    const Tunnel& tunnel = context.tunnels[tunnel_index(run[0]->source)];
    uint32_t bytes;
    found = find_train(run, burst.count - i, tunnel.outer, bytes);
    Packet* train = found == 1 ? nullptr : join(run, found, bytes, tunnel, context);
    if (train == nullptr) {
      for (uint32_t j = 0; j < found; ++j) burst.packets[kept++] = run[j];
      continue;
    }
    for (uint32_t j = 0; j < found; ++j) {
      if (j != 0) context.counters.port(run[j]->ingress).add(Counter::coalesced);
      release(run[j]);
    }
    burst.packets[kept++] = train;
  }
  burst.count = kept;
}

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
    inherit(*to, *super);
    if (count == 1) break;
    become_train(*to, tunnel, stride);
    context.counters.port(underlay.carrier).add(Counter::encapsulated, count - 1);
  }
  context.counters.port(super->ingress).add(Counter::segmented, trains - 1);
  release(super);
  return trains;
}

}  // namespace overlane
