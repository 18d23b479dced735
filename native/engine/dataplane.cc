#include "engine/dataplane.h"

#include <algorithm>

#include "engine/pipeline.h"
#include "stage/next_hop.h"

namespace overlane {

Dataplane::Dataplane(const DataplaneOptions& options)
    : context_(options.fdb, options.fdb_entries, options.neighbor_entries, options.small_packets, options.large_packets,
               options.seed),
      burst_(options.burst) {
  context_.domains.resize(1);  // kNoDomain
  context_.live = options.live;
}

constexpr uint32_t kEthernetAndTag = 18;

uint16_t Dataplane::add_port(std::unique_ptr<Port> port, uint32_t mtu, uint16_t at) {
  const uint16_t index = at == kMaxPorts ? port_count() : at;
  if (index == port_count()) {
    ports_.emplace_back();
    context_.counters.resize(ports_.size());
    context_.members.resize(ports_.size());
    context_.carried.resize(ports_.size());
    context_.output.resize(ports_.size(), context_.underlays.size());
    burst_limits_.resize(ports_.size());
  }
  ports_[index] = std::move(port);
  burst_limits_[index] = kMaxBurst;
  context_.output.set_port(index, ports_[index].get(), mtu + kEthernetAndTag);
  return index;
}

std::unique_ptr<Port> Dataplane::remove_port(uint16_t port) {
  detach(port);
  ports_[port]->flush();
  context_.output.set_port(port, nullptr, 0);
  context_.mirrors.remove(port);
  // What it received and what waits still is counted at the port that will send it: the row may be another's by then.
  context_.next_hops.each_waiting([&](Packet& packet, const NextHop& hop) {
    if (packet.ingress != port) return;
    packet.ingress = context_.underlays[hop.underlay].carrier;
    context_.counters.port(port).add(Counter::waiting, uint64_t{0} - 1);
    context_.counters.port(packet.ingress).add(Counter::waiting);
  });
  context_.counters.retire(port);
  return std::move(ports_[port]);
}

void Dataplane::give_slow_ports(std::vector<std::unique_ptr<Port>>& to) {
  for (auto& port : ports_) {
    if (port && port->ends_slowly()) to.push_back(std::move(port));
  }
}

void Dataplane::set_mtu(uint16_t port, uint32_t mtu) {
  context_.output.set_port(port, ports_[port].get(), mtu + kEthernetAndTag);
}

void Dataplane::set_clock(Nanos now) {
  context_.now = std::max(context_.now, now);  // a capture out of order does not turn back the clock
  context_.tick = tick_of(context_.now);
}

// The input to serve next: one that is due whenever asked, else the one due first. kMaxPorts: none by `until`.
uint16_t Dataplane::pick_input(Nanos until, Nanos& next_other) const {
  uint16_t best = kMaxPorts;
  Nanos due = kNever;
  next_other = kNever;
  for (uint16_t i = 0; i < ports_.size(); ++i) {
    if (!ports_[i]) continue;
    const Nanos at = ports_[i]->next_due();
    if (at == kNever || at > until) continue;
    if (best == kMaxPorts || at < due) {
      if (best != kMaxPorts) next_other = std::min(next_other, due);
      due = at;
      best = i;
    } else {
      next_other = std::min(next_other, at);
    }
  }
  return best;
}

uint32_t Dataplane::room_for_burst() const {
  return std::min(burst_, std::max(1u, context_.pools.small().available() / 2));  // half stays for copies
}

uint32_t Dataplane::serve(uint16_t port, bool& more) {
  const CounterRow& row = context_.counters.port(port);
  const uint64_t before = row.get(Counter::rx_bytes);
  const uint32_t wanted = std::min(room_for_burst(), burst_limits_[port]);
  const uint32_t received = carry_burst(port, wanted, context_.now);
  const uint64_t bytes = row.get(Counter::rx_bytes) - before;
  const uint64_t fit = bytes <= kBurstBytes ? kMaxBurst : kBurstBytes * received / bytes;
  burst_limits_[port] = std::max(1u, static_cast<uint32_t>(fit));
  more = received >= wanted;
  return received;
}

// Returns the packets received, those too long for any buffer included.
uint32_t Dataplane::carry_burst(uint16_t index, uint32_t wanted, Nanos until) {
  CounterRow& row = context_.counters.port(index);
  const uint64_t refused_before = row.get(Counter::drop_oversize);
  scratch_.count = ports_[index]->receive(scratch_.packets, wanted, context_.now, until, context_.pools, row);
  const auto taken = static_cast<uint32_t>(scratch_.count + row.get(Counter::drop_oversize) - refused_before);
  if (scratch_.count > 0) carry(scratch_, index, context_);
  return taken;
}

void Dataplane::timers() {
  next_hop_timer(context_);
}

void Dataplane::idle() {
  constexpr uint32_t kAgeSlots = 4096;
  if (!context_.counters.rows().empty()) context_.fdb->age(context_.tick, kAgeSlots, context_.counters.port(0));
}

uint64_t Dataplane::run(Nanos now, uint64_t max_packets) {
  const Nanos until = now == kFollow ? kNever - 1 : now;
  if (now != kFollow) set_clock(now);
  uint64_t received = 0;
  uint32_t turn = 0;  // inputs that are always due take turns
  while (received < max_packets) {
    Nanos next_other;
    uint16_t index = pick_input(until, next_other);
    if (index == kMaxPorts) break;
    if (ports_[index]->next_due() == Port::kNow) {
      for (size_t i = 0; i < ports_.size(); ++i) {
        const auto candidate = static_cast<uint16_t>((turn + i) % ports_.size());
        if (!ports_[candidate] || ports_[candidate]->next_due() != Port::kNow) continue;
        index = candidate;
        turn = candidate + 1u;
        break;
      }
    } else if (now == kFollow) {
      set_clock(ports_[index]->next_due());
    }
    const auto wanted = static_cast<uint32_t>(std::min<uint64_t>(room_for_burst(), max_packets - received));
    const uint32_t taken = carry_burst(index, wanted, std::min(until, next_other));
    if (taken == 0) break;  // the pool is empty
    received += taken;
  }
  return received;
}

void Dataplane::flush() {
  for (auto& port : ports_) {
    if (port) port->flush();
  }
}

}  // namespace overlane
