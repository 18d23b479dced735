#include "stage/vxlan_from_train.h"

#include "core/datagram.h"
#include "offload/merge.h"
#include "stage/outer.h"
#include "wire/vxlan.h"

namespace overlane {

uint16_t vxlan_from_train(Packet* train, uint16_t carrier, Burst& datagrams, Context& context) {
  Outer outer;
  Counter reason = match_underlay(*train, carrier, context, outer);
  if (reason == Counter::count_ && !checksums_hold(*train, outer, context)) reason = Counter::drop_underlay_checksum;
  const uint32_t at = train->headers.payload;
  const uint32_t end = reason == Counter::count_ ? udp_end(*train) : 0;
  if (reason == Counter::count_ && end <= at) reason = Counter::drop_vxlan_truncated;
  if (reason != Counter::count_) {
    context.counters.drop(train, reason);
    return kNoUnderlay;
  }
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
