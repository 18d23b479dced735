#include "stage/vxlan_from_train.h"

#include <algorithm>

#include "core/datagram.h"
#include "offload/merge.h"
#include "stage/outer.h"
#include "wire/ethernet.h"
#include "wire/vxlan.h"

namespace overlane {

namespace {

constexpr Counter kFine = Counter::count_;

Counter refusal(const Packet& train, uint16_t carrier, const Context& context, Outer& outer) {
  const Counter other = match_underlay(train, carrier, context, outer);
  if (other != kFine) return other;
  const uint32_t at = train.headers.payload;
  const uint32_t end = udp_end(train);
  // Cut into pieces that hold no frame it would only fill the pools.
  if (end <= at || std::min<uint32_t>(train.segment, end - at) < sizeof(Vxlan) + sizeof(Ethernet)) {
    return Counter::drop_vxlan_truncated;
  }
  return kFine;
}

}  // namespace

uint16_t vxlan_from_train(Packet* train, uint16_t carrier, Burst& datagrams, Context& context) {
  Outer outer;
  const Counter reason = refusal(*train, carrier, context, outer);
  if (reason != kFine) {
    context.counters.drop(train, reason);
    return kNoUnderlay;
  }
  const uint32_t at = train->headers.payload;
  const uint32_t end = udp_end(*train);
  const uint32_t stride = train->segment;
  train->data += at;
  train->length = end - at;
  train->segment = 0;
  train->flags = 0;
  set_datagram(*train, {outer.source, 0, outer.tos});
  CounterRow& row = context.counters.port(train->ingress);
  uint32_t coalesced = 0;  // what arrived as one and leaves as one is neither cut nor put together
  uint32_t lost = 0;
  datagrams.count =
      split_train(train, stride, sizeof(Vxlan), datagrams.packets, kMaxBurst, context.pools, coalesced, lost);
  row.add(Counter::segmented, datagrams.count + lost - 1);
  row.add(Counter::drop_pool_empty, lost);
  return outer.underlay;
}

}  // namespace overlane
