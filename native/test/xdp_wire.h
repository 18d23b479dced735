// For the tests of XDP ports: one on an end of a veth pair, with what a worker does around it.
#pragma once

#include <cstring>

#include "port/xdp.h"
#include "test/veth.h"

namespace overlane::test {

struct XdpWire {
  Veth veth{"xdp"};  // p0 is the port's
  Pools pools{2048, 8};
  CounterRow row;
  XdpPort::Options options;
  LinkDetails link;
  std::string mode;
  std::vector<std::unique_ptr<Port>> ports;

  XdpWire() {
    options.netns = veth.path();
    options.interface = "p0";
    options.frames = 256;
  }
  NetResult open() { return open_xdp(options, 2, 1, ports, link, mode); }
  XdpPort& port() { return static_cast<XdpPort&>(*ports.at(1)); }
  bool has_program() const { return veth.output("ip -j link show p0").find("xdp") != std::string::npos; }

  // Up to `max` packets that are there within a while.
  std::vector<Packet*> take(uint32_t max, int patience_ms = 1000) {
    std::vector<Packet*> packets(max);
    uint32_t count = 0;
    for (int i = 0; i < patience_ms && count < max; ++i) {
      count += port().receive(packets.data() + count, max - count, kTickNanos, kTickNanos, pools, row);
      if (count < max) usleep(1000);
    }
    packets.resize(count);
    return packets;
  }
  // An ordinary packet; empty after a while without any.
  Bytes take_one(int patience_ms = 1000) {
    Bytes frame;
    for (Packet* packet : take(1, patience_ms)) {
      frame.assign(packet->data, packet->data + packet->length);
      CHECK_EQ(packet->time, kTickNanos);
      CHECK(packet->is_ordinary());
      release(packet);
    }
    return frame;
  }
  // As the output stage does; returns how many were taken over.
  uint32_t send(const std::vector<Bytes>& frames) {
    std::vector<Packet*> packets;
    for (const Bytes& frame : frames) {
      Packet* packet = pools.take(static_cast<uint32_t>(frame.size()));
      if (!frame.empty()) std::memcpy(packet->data, frame.data(), frame.size());
      packet->length = static_cast<uint32_t>(frame.size());
      packets.push_back(packet);
    }
    const auto count = static_cast<uint32_t>(packets.size());
    const uint32_t taken = port().transmit(packets.data(), count, row);
    for (uint32_t i = 0; i < taken; ++i) row.add(Counter::tx_bytes, frames[i].size());
    for (uint32_t i = taken; i < count; ++i) release(packets[i]);
    row.add(port().refusal(), count - taken);
    row.add(Counter::tx_packets, taken);
    return taken;
  }
  uint64_t count(Counter counter) const { return row.get(counter); }
};

// Frame `number` of a series.
inline Bytes numbered(uint32_t number, size_t size = 64) {
  Bytes frame = udp_frame(mac(4), mac(2), 2, 4, size);
  store_be32(&frame[42], number);
  return frame;
}

}  // namespace overlane::test
