#include "stage/output.h"

#include "port/port.h"
#include "stage/context.h"
#include "stage/vxlan_encap.h"

namespace overlane {

void Output::resize(size_t ports, size_t underlays) {
  links_.resize(ports);
  ports_.resize(ports);
  underlays_.resize(underlays);
  touched_ports_.reserve(ports + 1);
  touched_underlays_.reserve(underlays + 1);
}

void Output::flush(Context& context) {
  for (uint16_t index : touched_underlays_) {
    encapsulate(index, underlays_[index].burst, context);
    underlays_[index].touched = false;
  }
  touched_underlays_.clear();
  for (uint16_t index : touched_ports_) {
    transmit(index, ports_[index].burst, context);
    ports_[index].touched = false;
  }
  touched_ports_.clear();
}

void Output::encapsulate(uint16_t underlay, Burst& burst, Context& context) {
  vxlan_encap(burst, context.underlays[underlay], context);
  transmit(context.underlays[underlay].carrier, burst, context);
}

void Output::transmit(uint16_t port, Burst& burst, Context& context) {
  const Link& link = links_[port];
  uint32_t fits = 0;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    if (OVERLANE_UNLIKELY(packet->length > link.longest)) {
      context.counters.drop(packet, Counter::drop_mtu);
      continue;
    }
    burst.packets[fits++] = packet;
    bytes += packet->length;
  }
  burst.count = 0;
  if (fits == 0) return;
  CounterRow& row = context.counters.port(port);
  const uint32_t taken = link.port->transmit(burst.packets, fits, row);
  for (uint32_t i = taken; i < fits; ++i) {
    bytes -= burst.packets[i]->length;
    context.counters.drop(burst.packets[i], link.port->refusal());
  }
  row.add(Counter::tx_packets, taken);
  row.add(Counter::tx_bytes, bytes);
}

}  // namespace overlane
