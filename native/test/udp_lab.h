// For the tests of the udp and esp ports: two ends in two namespaces joined by veth, and what one sends the other.
#pragma once

#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <set>

#include "offload/segment.h"
#include "port/esp.h"
#include "port/udp.h"
#include "port/virtio_header.h"
#include "test/check.h"
#include "test/offload_frames.h"
#include "test/root.h"

namespace overlane::udp_test {

using namespace overlane::test;

inline constexpr Nanos kTime = 1'000'000'000'000;
inline const Bytes kVxlan = hex("08000000 00100100");

struct Wire {
  Namespace a{"udp-a"};
  Namespace b{"udp-b"};
  Wire() {
    CHECK_EQ(test::run("ip link add u0 netns " + a.name() + " type veth peer name u0 netns " + b.name()), 0);
    for (const Namespace* space : {&a, &b}) {
      const std::string last = space == &a ? "1" : "2";
      CHECK_EQ(space->ip("link set u0 up"), 0);
      CHECK_EQ(space->ip("address add 10.77.0." + last + "/24 dev u0"), 0);
      CHECK_EQ(space->ip("address add fd77::" + last + "/64 dev u0 nodad"), 0);
    }
  }
};

inline IpAddress address(bool ipv6, uint8_t last) {
  const Bytes v4 = {10, 77, 0, last};
  Bytes v6 = hex("fd770000 00000000 00000000 00000000");
  v6[15] = last;
  return ipv6 ? IpAddress::v6(v6.data()) : IpAddress::v4(v4.data());
}

inline EspPort::Options esp_options_for(const Namespace& space, bool ipv6, uint8_t last) {
  EspPort::Options options;
  options.netns = space.path();
  options.local = address(ipv6, last);
  return options;
}

inline UdpPort::Options options_for(const Namespace& space, bool ipv6, uint8_t last) {
  UdpPort::Options options;
  options.netns = space.path();
  options.local = address(ipv6, last);
  return options;
}

// Bytes of what arrived, and what the port said of it.
struct Arrived {
  Bytes frame;
  Bytes prefix;
  uint16_t segment;
  uint16_t flags;
  Datagram datagram;
};

// A port with what its caller has: buffers, a row of counters that it counts in as the pipeline does, events.
class End {
 public:
  explicit End(const UdpPort::Options& options, uint32_t workers = 1) : local(options.local) {
    result = open_udp(options, workers, ports, mtu);
    CHECK_EQ(result.message, "");
    for (auto& port : ports) port->report_to(&events, 3);
  }
  explicit End(const EspPort::Options& options, uint32_t workers = 1) : local(options.local) {
    result = open_esp(options, workers, ports, mtu);
    CHECK_EQ(result.message, "");
    for (auto& port : ports) port->report_to(&events, 3);
  }
  UdpPort& port() { return static_cast<UdpPort&>(*ports[0]); }

  Packet* packet(const IpAddress& peer, const Bytes& frame, uint16_t segment = 0, uint16_t flags = 0, uint16_t flow = 0,
                 uint8_t tos = 0) {
    Packet* packet = packet_of(pools, join({kVxlan, frame}), segment, flags);
    packet->headers = parsed(frame);
    packet->time = time;
    set_datagram(*packet, {peer, flow, tos, {}});
    row.add(Counter::rx_packets);
    return packet;
  }
  // As the stage that seals hands it on: with a stride, it has counted the further datagrams.
  Packet* sealed(const IpAddress& peer, const Bytes& bytes, uint16_t stride = 0, uint16_t flow = 0, uint8_t tos = 0) {
    Packet* packet = packet_of(pools, bytes);
    packet->time = time;
    Datagram datagram{peer, flow, tos};
    datagram.stride = stride;
    set_datagram(*packet, datagram);
    row.add(Counter::rx_packets);
    if (stride != 0) row.add(Counter::segmented, (bytes.size() + stride - 1) / stride - 1);
    return packet;
  }
  void send(std::vector<Packet*> packets) {
    row.add(Counter::tx_packets, packets.size());
    for (const Packet* packet : packets) row.add(Counter::tx_bytes, packet->length);
    const auto count = static_cast<uint32_t>(packets.size());
    CHECK_EQ(ports[0]->transmit(packets.data(), count, row), count);
  }
  // Everything that comes within a while; `burst` packets at a time.
  std::vector<Arrived> receive(size_t expected, uint32_t burst = 64, size_t port = 0) {
    std::vector<Arrived> all;
    bool full = false;
    for (int round = 0; round < 10000; ++round) {
      pollfd wait{ports[port]->descriptors().at(0).fd, POLLIN, 0};
      if (!full && poll(&wait, 1, all.size() < expected ? 1000 : 0) <= 0) break;
      Packet* packets[kMaxBurst];
      const uint32_t count = ports[port]->receive(packets, burst, time, time, pools, row);
      full = count == burst;
      CHECK(count <= burst);
      row.add(Counter::rx_packets, count);
      row.add(Counter::consumed, count);
      for (uint32_t i = 0; i < count; ++i) all.push_back(taken(packets[i]));
    }
    return all;
  }
  // Of rx_packets, what was made up by packet() counts too. Any end by itself balances.
  int64_t imbalance() const {
    int64_t left = 0;
    for (size_t i = 0; i < kCounterCount; ++i) {
      const std::string name = kCounterInfo[i].name;
      const auto value = static_cast<int64_t>(row.values[i]);
      if (name == "rx_packets" || name == "cloned" || name == "segmented") left += value;
      if (name == "tx_packets" || name == "consumed" || name == "coalesced" || name.rfind("drop_", 0) == 0)
        left -= value;
    }
    return left;
  }
  uint64_t count(Counter counter) const { return row.get(counter); }
  void check() const {
    CHECK_EQ(imbalance(), 0);
    CHECK(whole(pools));
  }
  std::vector<Event> told() {
    std::vector<Event> all;
    for (Event event; events.pop(event);) all.push_back(event);
    return all;
  }

  IpAddress local;
  Nanos time = kTime;
  NetResult result;
  uint32_t mtu = 0;
  Pools pools{4096, 128};
  CounterRow row;
  EventRing events;
  std::vector<std::unique_ptr<Port>> ports;

 private:
  Arrived taken(Packet* packet) {
    row.add(Counter::rx_bytes, packet->length);
    const Bytes all = bytes_of(*packet);
    const size_t prefix = std::min<size_t>(8, all.size());
    const Arrived arrived{slice(all, prefix, all.size() - prefix), slice(all, 0, prefix), packet->segment,
                          packet->flags, datagram_of(*packet)};
    release(packet);
    return arrived;
  }
};

// The packets that a super-frame is on the wire, by cut(), whose own tests judge it.
inline std::vector<Bytes> cut_up(const Bytes& frame, uint16_t segment) {
  Pools pools(256, 2);
  Packet* out[kMaxBurst];
  const uint32_t count = cut(packet_of(pools, frame, segment, kPartialChecksum), out, kMaxBurst, pools);
  std::vector<Bytes> all;
  for (uint32_t i = 0; i < count; ++i) {
    all.push_back(bytes_of(*out[i]));
    release(out[i]);
  }
  return all;
}

inline void check_same(const std::vector<Arrived>& arrived, const std::vector<Bytes>& frames) {
  CHECK_EQ(arrived.size(), frames.size());
  for (size_t i = 0; i < std::min(arrived.size(), frames.size()); ++i) {
    CHECK(arrived[i].frame == frames[i]);
    CHECK(arrived[i].prefix == kVxlan);
  }
}

// A setting of all sending sockets.
inline void set_senders(End& end, int level, int option, int value) {
  for (const Port::Descriptor& each : end.port().descriptors()) {
    if (!each.input) CHECK_EQ(setsockopt(each.fd, level, option, &value, sizeof value), 0);
  }
}

// An ESP packet as far as a port looks at it.
inline Bytes esp_packet(uint32_t spi, size_t size, uint8_t seed = 1) {
  Bytes packet = payload_bytes(size, seed);
  store_be32(packet.data(), spi);
  return packet;
}

// `count` of them, of `stride` bytes each, and then one of `last`.
inline Bytes esp_train(uint32_t spi, uint32_t count, size_t stride, size_t last = 0) {
  Bytes train;
  for (uint32_t i = 0; i < count; ++i) train = join({train, esp_packet(spi, stride, static_cast<uint8_t>(i))});
  return last == 0 ? train : join({train, esp_packet(spi, last, 99)});
}

inline Bytes all_of(const Arrived& arrived) {
  return join({arrived.prefix, arrived.frame});
}

// Each datagram that arrived, in order.
inline std::vector<Bytes> datagrams_of(const std::vector<Arrived>& arrived) {
  std::vector<Bytes> all;
  for (const Arrived& each : arrived) {
    const Bytes bytes = all_of(each);
    const size_t stride = each.datagram.stride != 0 ? each.datagram.stride : bytes.size();
    for (size_t at = 0; at < bytes.size(); at += stride) {
      all.push_back(slice(bytes, at, std::min(stride, bytes.size() - at)));
    }
  }
  return all;
}

inline Bytes super_frame(const Flow& flow, size_t payload, uint8_t seed = 1) {
  return with_partial_checksum(flow, frame_of(flow, payload_bytes(payload, seed)));
}

}  // namespace overlane::udp_test
