#include "stage/finish.h"

#include "offload/segment.h"
#include "stage/parse.h"
#include "wire/udp.h"
#include "wire/vxlan.h"

namespace overlane {

namespace {

// The checksum that is open is one of the frame inside VXLAN.
bool complete_inner(Packet& packet) {
  const uint32_t at = packet.headers.payload + sizeof(Vxlan);
  const Headers outer = packet.headers;
  packet.data += at;
  packet.length -= at;
  packet.headers = parse_frame(packet.data, packet.length);
  const bool done = complete_checksum(packet);
  packet.data -= at;
  packet.length += at;
  packet.headers = outer;
  packet.flags &= static_cast<uint16_t>(~kInnerOffload);
  return done;
}

uint32_t refuse(Packet* packet, Context& context) {
  context.counters.drop(packet, Counter::drop_offload);
  return 0;
}

}  // namespace

uint32_t finish(Packet* packet, Packet** out, uint32_t max, Context& context) {
  if (packet->segment == 0) {
    const bool done = packet->flags & kInnerOffload ? complete_inner(*packet) : complete_checksum(*packet);
    return done ? (out[0] = packet, 1) : refuse(packet, context);
  }
  Segmentation plan;
  if (packet->flags & kInnerOffload ||
      !plan_segments(packet->data, packet->length, packet->headers, packet->segment, plan)) {
    return refuse(packet, context);
  }
  CounterRow& row = context.counters.port(packet->ingress);
  const uint32_t made = cut(packet, out, max, context.pools);
  row.add(Counter::segmented, plan.count - 1);
  row.add(Counter::drop_pool_empty, plan.count - made);
  return made;
}

}  // namespace overlane
