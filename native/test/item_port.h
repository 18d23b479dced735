// For tests of super-frames and trains: a port of packets with what is said of them beside their bytes.
#pragma once

#include <deque>

#include "core/datagram.h"
#include "port/port.h"
#include "test/offload_frames.h"

namespace overlane::test {

struct Item {
  Bytes bytes;
  Datagram datagram{};
  uint16_t segment = 0;
  uint16_t flags = 0;
};

// Packets with what is said of them beside their bytes; of super-frames or of trains.
class ItemPort final : public Port {
 public:
  explicit ItemPort(uint8_t takes) : takes_(takes) {}
  Nanos next_due() override { return in.empty() ? kNever : kNow; }
  uint32_t receive(Packet** packets, uint32_t max, Nanos now, Nanos, Pools& pools, CounterRow&) override {
    uint32_t count = 0;
    for (; count < max && !in.empty(); in.pop_front()) {
      const Item& item = in.front();
      Packet* packet = pools.take(static_cast<uint32_t>(item.bytes.size()));
      if (packet == nullptr) return count;
      std::copy(item.bytes.begin(), item.bytes.end(), packet->data);
      packet->length = static_cast<uint32_t>(item.bytes.size());
      packet->time = now;
      packet->segment = item.segment;
      packet->flags = item.flags;
      set_datagram(*packet, item.datagram);
      packets[count++] = packet;
    }
    return count;
  }
  // A train counts as the datagrams that it is: as with the udp port, and with the packet port.
  uint32_t transmit(Packet** packets, uint32_t count, CounterRow& row) override {
    const uint32_t taken = std::min(count, room);
    for (uint32_t i = 0; i < taken; ++i) {
      Packet* packet = packets[i];
      out.push_back({bytes_of(*packet), datagram_of(*packet), packet->segment, packet->flags});
      const uint16_t stride = out.back().datagram.stride;
      if (takes_ == 0 && stride != 0) row.add(Counter::tx_packets, (packet->length + stride - 1) / stride - 1);
      if (packet->flags & kTrain) {
        const uint32_t header = packet->headers.payload;
        const uint32_t datagrams = (packet->length - header + packet->segment - 1) / packet->segment;
        sent_as(datagrams, uint64_t{header} * (datagrams - 1), row);
      }
      release(packet);
    }
    return taken;
  }
  uint8_t offloads() const override { return takes_; }

  std::deque<Item> in;
  std::deque<Item> out;
  uint32_t room = UINT32_MAX;  // packets that it takes at once

 private:
  uint8_t takes_;
};

}  // namespace overlane::test
