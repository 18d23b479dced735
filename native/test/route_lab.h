// Two bridges with a router between, and packets of their hosts. Checksums are computed here, not by the code under
// test.
#pragma once

#include "test/lab.h"

namespace overlane::test {

inline const Bytes kGateway = hex("02 6f 76 6c 00 01");
inline const Bytes kGatewayLinkLocal = hex("fe80000000000000 006f76fffe6c0001");

inline Bytes red4(uint8_t host) {
  return {10, 0, 9, host};
}
inline Bytes blue4(uint8_t host) {
  return {10, 0, 10, host};
}
inline Bytes red6(uint8_t host) {
  return join({hex("fd00000900000000 00000000000000"), {host}});
}
inline Bytes blue6(uint8_t host) {
  return join({hex("fd00001000000000 00000000000000"), {host}});
}
inline IpAddress address(const Bytes& ip) {
  return ip.size() == 4 ? IpAddress::v4(ip.data()) : IpAddress::v6(ip.data());
}
inline Bytes part(const Bytes& bytes, size_t from, size_t to) {
  return Bytes(bytes.begin() + static_cast<long>(from), bytes.begin() + static_cast<long>(to));
}
inline void put16(Bytes& bytes, size_t at, uint16_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

struct Ip {
  Bytes source, destination;
  uint8_t protocol = 17;
  Bytes payload = hex("04d2 07d0 0010 0000 0102030405060708");  // UDP without a checksum
  uint8_t ttl = 64;
  uint16_t fragment = 0;
  Bytes options = {};
  uint8_t tos = 0;
};

inline Bytes ip_packet(const Ip& ip) {
  if (ip.source.size() == 16) {
    Bytes head = hex("60000000 0000");
    put16(head, 4, static_cast<uint16_t>(ip.options.size() + ip.payload.size()));
    return join({head, {ip.protocol, ip.ttl}, ip.source, ip.destination, ip.options, ip.payload});
  }
  const size_t header = 20 + ip.options.size();
  Bytes head = {static_cast<uint8_t>(0x40 | header / 4), ip.tos, 0, 0, 0x12, 0x34, 0, 0, ip.ttl, ip.protocol, 0, 0};
  put16(head, 2, static_cast<uint16_t>(header + ip.payload.size()));
  put16(head, 6, ip.fragment);
  head = join({head, ip.source, ip.destination, ip.options});
  put16(head, 10, ones_complement(head, 0, header));
  return join({head, ip.payload});
}
inline Bytes frame_of(const Bytes& to, const Bytes& from, const Ip& ip) {
  return join({to, from, ip.source.size() == 4 ? hex("0800") : hex("86dd"), ip_packet(ip)});
}

// ICMP or, between IPv6 addresses, ICMPv6 with its pseudo-header.
inline uint16_t icmp_sum(const Bytes& source, const Bytes& destination, const Bytes& message) {
  if (source.size() == 4) return ones_complement(message, 0, message.size());
  Bytes length(4, 0);
  put16(length, 2, static_cast<uint16_t>(message.size()));
  Bytes even = message;
  if (even.size() % 2) even.push_back(0);
  const Bytes all = join({source, destination, length, {0, 0, 0, 58}, even});
  return ones_complement(all, 0, all.size());
}
inline Ip echo(const Bytes& source, const Bytes& destination, size_t size = 56) {
  const bool v4 = source.size() == 4;
  Bytes message = join({{static_cast<uint8_t>(v4 ? 8 : 128), 0, 0, 0, 0x12, 0x34, 0, 1}, Bytes(size, 0xa7)});
  put16(message, 2, icmp_sum(source, destination, message));
  return {source, destination, static_cast<uint8_t>(v4 ? 1 : 58), message};
}

struct RouteLab {
  explicit RouteLab(BridgeOptions options = Lab::plain()) {
    a = lab.port();
    a2 = lab.port();
    b = lab.port();
    b2 = lab.port();
    red = lab.dataplane.domain_of(red_bridge = lab.bridge({a, a2}, options), kNoVlan);
    blue = lab.dataplane.domain_of(blue_bridge = lab.bridge({b, b2}, options), kNoVlan);
    router = lab.dataplane.add_router(load_mac(kGateway.data()));
    connect(red, {{red4(1), 24}, {red6(1), 64}});
    connect(blue, {{blue4(1), 24}, {blue6(1), 64}});
    for (uint8_t host : {2, 3}) {
      know(red, red4(host), host);
      know(red, red6(host), host);
      know(blue, blue4(host + 10), static_cast<uint8_t>(host + 10));
      know(blue, blue6(host + 10), static_cast<uint8_t>(host + 10));
    }
  }
  void connect(uint16_t domain, const std::vector<std::pair<Bytes, uint8_t>>& addresses, uint32_t mtu = 65535) {
    std::vector<Prefix> prefixes;
    for (const auto& [ip, length] : addresses) prefixes.push_back({address(ip), length});
    lab.dataplane.add_interface(router, domain, prefixes, mtu);
  }
  void know(uint16_t domain, const Bytes& ip, uint8_t last) {
    lab.dataplane.add_neighbor(domain, address(ip), load_mac(mac(last).data()));
  }
  void place(uint16_t domain, uint8_t last, Place at) { lab.dataplane.add_fdb(domain, load_mac(mac(last).data()), at); }
  // From host 2 of red, on port a, to the gateway's MAC: what comes back there.
  std::vector<Bytes> send(const Ip& ip, Nanos now = 0) {
    lab.pass(a, frame_of(kGateway, mac(2), ip), now);
    return lab.drain(a);
  }
  size_t came_out() { return lab.drain(a).size() + lab.drain(a2).size() + lab.drain(b).size() + lab.drain(b2).size(); }

  Lab lab;
  uint16_t a, a2, b, b2, red_bridge, blue_bridge, red, blue, router;
};

}  // namespace overlane::test
