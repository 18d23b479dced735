#include "stage/output.h"

#include <algorithm>

#include "port/port.h"
#include "stage/context.h"
#include "stage/esp_frame.h"
#include "stage/finish.h"
#include "stage/seal.h"
#include "stage/vxlan_datagram.h"
#include "stage/vxlan_encap.h"

namespace overlane {

namespace {

uint64_t bytes_of(const Burst& burst) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < burst.count; ++i) bytes += burst.packets[i]->length;
  return bytes;
}

uint32_t frame_length(const Packet& packet) {
  return packet.segment == 0 ? packet.length
                             : std::min(packet.length, uint32_t{packet.headers.payload} + packet.segment);
}

}  // namespace

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

void Output::encapsulate(uint16_t index, Burst& burst, Context& context) {
  const Underlay& underlay = context.underlays[index];
  if (underlay.esp != EspCarriage::none) return encrypt(underlay, burst, context);
  if (underlay.datagrams) {
    // Such a port cuts and completes by itself, but only what the frame's own headers say.
    return finish_all(
        burst, context, [](const Packet& packet) { return !(packet.flags & kInnerOffload); },
        [&](Burst& finished) {
          vxlan_to_datagrams(finished, underlay, context);
          hand_over(underlay.carrier, finished, bytes_of(finished), context);
        });
  }
  finish_all(
      burst, context, [](const Packet& packet) { return packet.is_ordinary(); },
      [&](Burst& finished) {
        vxlan_encap(finished, underlay, context);
        hand_over(underlay.carrier, finished, bytes_of(finished), context);
      });
}

void Output::encrypt(const Underlay& underlay, Burst& burst, Context& context) {
  const auto send = [&](Burst& sealed) {
    if (!underlay.datagrams) esp_encap(sealed, underlay, context);
    hand_over(underlay.carrier, sealed, bytes_of(sealed), context);
  };
  // seal() takes super-frames where trains may leave; what else is unfinished could not be finished any more.
  const auto fine = [&](const Packet& packet) {
    return packet.is_ordinary() || (underlay.trains && packet.segment != 0 && !(packet.flags & kInnerOffload));
  };
  finish_all(burst, context, fine, [&](Burst& finished) {
    if (!underlay.datagrams) keep_resolved(finished, context);
    vxlan_to_datagrams(finished, underlay, context);
    seal_all(finished, underlay, context, send);
  });
}

void Output::transmit(uint16_t port, Burst& burst, Context& context) {
  const uint32_t longest = links_[port].longest;
  uint32_t fits = 0;
  uint64_t bytes = 0;
  uint32_t unfinished = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet* packet = burst.packets[i];
    if (OVERLANE_UNLIKELY(packet->length > longest && frame_length(*packet) > longest)) {
      context.counters.drop(packet, Counter::drop_mtu);
      continue;
    }
    bytes += packet->length;
    unfinished |= load<uint32_t>(&packet->segment);
    burst.packets[fits++] = packet;
  }
  burst.count = fits;
  if (OVERLANE_LIKELY(unfinished == 0)) return hand_over(port, burst, bytes, context);
  const uint8_t offloads = links_[port].port->offloads();
  finish_all(
      burst, context, [&](const Packet& packet) { return takes(packet, offloads); },
      [&](Burst& finished) { hand_over(port, finished, bytes_of(finished), context); });
}

void Output::hand_over(uint16_t port, Burst& burst, uint64_t bytes, Context& context) {
  if (burst.count == 0) return;
  CounterRow& row = context.counters.port(port);
  row.add(Counter::tx_packets, burst.count);
  row.add(Counter::tx_bytes, bytes);
  Port& to = *links_[port].port;
  const uint32_t taken = to.transmit(burst.packets, burst.count, row);
  for (uint32_t i = taken; i < burst.count; ++i) {
    row.add(Counter::tx_packets, uint64_t{0} - 1);
    row.add(Counter::tx_bytes, uint64_t{0} - burst.packets[i]->length);
    context.counters.drop(burst.packets[i], to.refusal());
  }
  burst.count = 0;
}

}  // namespace overlane
