#include "stage/uplink.h"

#include "stage/bridge.h"

namespace overlane {

void to_place(Packet* packet, uint16_t place, Context& context) {
  if (OVERLANE_UNLIKELY(place == kNoPort)) return context.counters.drop(packet, Counter::drop_no_destination);
  context.output.to_port(place, packet, context);
}

void flood_network(Packet* packet, FloodTo to, Context& context) {
  const Domain& domain = context.domains[packet->domain];
  uint16_t last = kNoPort;
  for (const uint16_t place : domain.ports) {
    if (place == packet->source || (to == FloodTo::containers && place == domain.uplink)) continue;
    if (last != kNoPort) send_copy(*packet, last, context);
    last = place;
  }
  if (last != kNoPort) context.counters.port(packet->ingress).add(Counter::flooded);
  to_place(packet, last, context);
}

}  // namespace overlane
