// A host on an underlay that finds out its next hops, and what its neighbors say. Both families go through the same
// tests: ARP and ND differ in their bytes only.
#pragma once

#include <algorithm>
#include <vector>

#include "test/lab.h"

namespace overlane::test {

inline constexpr Nanos kMs = 1'000'000;
inline constexpr Nanos kSecond = 1'000 * kMs;
inline constexpr Nanos kStart = 1'000 * kSecond;

inline Mac mac_of(uint8_t last) {
  return load_mac(mac(last).data());
}

inline Bytes address(bool v6, uint8_t last) {
  return v6 ? join({hex("fd00 0000 0000 0000 0000 0000 0000 00"), {last}}) : Bytes{192, 168, 77, last};
}
// Outside of the local prefix.
inline Bytes far(bool v6, uint8_t last) {
  return v6 ? join({hex("fd00 0000 0000 0001 0000 0000 0000 00"), {last}}) : Bytes{192, 168, 78, last};
}

inline IpAddress ip(const Bytes& bytes) {
  return bytes.size() == 4 ? IpAddress::v4(bytes.data()) : IpAddress::v6(bytes.data());
}

inline void fix_nd(Bytes& frame) {
  frame[56] = frame[57] = 0;
  const auto length = static_cast<uint8_t>(frame.size() - 54);
  const Bytes summed = join({Bytes(frame.begin() + 22, frame.end()), {0, 0, 0, length, 0, 0, 0, 58}});
  const uint16_t sum = ones_complement(summed, 0, summed.size());
  frame[56] = static_cast<uint8_t>(sum >> 8);
  frame[57] = static_cast<uint8_t>(sum);
}

inline Bytes nd(const Bytes& to, const Bytes& from, const Bytes& source, const Bytes& destination, uint8_t type,
                uint8_t flags, const Bytes& target, const Bytes& option) {
  const auto length = static_cast<uint8_t>(24 + option.size());
  const Bytes message = {type, 0, 0, 0, flags, 0, 0, 0};
  Bytes frame =
      join({to, from, hex("86dd 60000000 00"), {length}, hex("3aff"), source, destination, message, target, option});
  fix_nd(frame);
  return frame;
}

inline Bytes arp(const Bytes& to, const Bytes& from, uint8_t operation, const Bytes& source, const Bytes& target_mac,
                 const Bytes& target) {
  return join({to, from, hex("0806 0001 0800 0604 00"), {operation}, from, source, target_mac, target});
}

// What `from` (its MAC, too) says to 192.168.77.1 or fd00::1 at :11.
inline Bytes answer(bool v6, const Bytes& from, uint8_t mac_last, uint8_t flags = 0x60) {
  if (!v6) return arp(mac(0x11), mac(mac_last), 2, from, mac(0x11), address(v6, 1));
  return nd(mac(0x11), mac(mac_last), from, address(v6, 1), 136, flags, from, join({{2, 1}, mac(mac_last)}));
}
inline Bytes announcement(bool v6, const Bytes& from, uint8_t mac_last) {
  if (!v6) return arp(broadcast(), mac(mac_last), 1, from, Bytes(6, 0), from);
  return nd(hex("333300000001"), mac(mac_last), from, hex("ff02000000000000 0000000000000001"), 136, 0x20, from,
            join({{2, 1}, mac(mac_last)}));
}
inline Bytes question(bool v6, const Bytes& from, uint8_t mac_last, uint8_t target) {
  if (!v6) return arp(broadcast(), mac(mac_last), 1, from, Bytes(6, 0), address(v6, target));
  return nd(join({hex("3333ff0000"), {target}}), mac(mac_last), from,
            join({hex("ff02000000000000 00000001ff0000"), {target}}), 135, 0, address(v6, target),
            join({{1, 1}, mac(mac_last)}));
}

inline const Bytes kArpRequest =
    hex("ffffffffffff 02420a000011 0806 0001 0800 0604 0001 02420a000011 c0a84d01 000000000000 c0a84d02");
inline const Bytes kArpProbe =
    hex("02420a000022 02420a000011 0806 0001 0800 0604 0001 02420a000011 c0a84d01 000000000000 c0a84d02");
inline const Bytes kNdRequest =
    hex("3333ff000002 02420a000011 86dd 60000000 0020 3a ff fd000000000000000000000000000001"
        "ff0200000000000000000001ff000002 8700 7345 00000000 fd000000000000000000000000000002 0101 02420a000011");
inline const Bytes kNdProbe =
    hex("02420a000022 02420a000011 86dd 60000000 0020 3a ff fd000000000000000000000000000001"
        "fd000000000000000000000000000002 8700 7449 00000000 fd000000000000000000000000000002 0101 02420a000011");

// 192.168.77.1/24 or fd00::1/64 at :11, with one bridge and a VTEP for every MAC :40 and up.
struct Host {
  explicit Host(bool is_v6, std::vector<Bytes> vteps = {}, bool gateway = false, DataplaneOptions pools = {},
                std::vector<DomainOptions> domains = {{kNoVlan, 4097}}, bool resolve = true)
      : v6(is_v6), lab(pools) {
    container = lab.port();
    wire = lab.port();
    UnderlayOptions options;
    options.port = wire;
    options.udp_port = 4789;
    options.mtu = 65535;
    options.local = ip(address(v6, 1));
    options.mac = mac_of(0x11);
    options.send_checksum = v6;
    options.resolve = resolve;
    options.prefix_length = v6 ? 64 : 24;
    if (gateway) options.gateway = ip(address(v6, 254));
    underlay = lab.dataplane.add_underlay(options);
    BridgeOptions bridge_options = Lab::plain();
    bridge_options.underlay = underlay;
    bridge_options.domains = domains;
    bridge = lab.bridge({container}, bridge_options);
    domain = lab.dataplane.domain_of(bridge, domains[0].vlan);
    lab.dataplane.context().news.enable();
    for (const Bytes& vtep : vteps.empty() ? std::vector<Bytes>{address(v6, 2)} : vteps) add(vtep);
    lab.run(kStart);
  }
  void add(const Bytes& vtep) {
    lab.dataplane.add_fdb(domain, mac_of(static_cast<uint8_t>(0x40 + added++)),
                          lab.dataplane.add_vtep(domain, ip(vtep), false));
  }
  // Towards the n-th VTEP; `mark` is its last byte.
  Bytes frame(uint8_t mark, int vtep = 0, size_t size = 80) const {
    Bytes out = udp_frame(mac(static_cast<uint8_t>(0x40 + vtep)), mac(1), 1, 2, size);
    out.back() = mark;
    return out;
  }
  std::vector<Bytes> send(const Bytes& frame, Nanos now, uint32_t waiting = 0) {
    lab.inject(container, frame);
    lab.run(now, waiting);
    return lab.drain(wire);
  }
  std::vector<Bytes> hear(const Bytes& frame, Nanos now, uint32_t waiting = 0) {
    lab.inject(wire, frame);
    lab.run(now, waiting);
    return lab.drain(wire);
  }
  std::vector<Bytes> timer(Nanos now, uint32_t waiting = 0) {
    lab.run_timer(now, waiting);
    return lab.drain(wire);
  }
  void resolve_first(uint8_t mac_last = 0x22) {
    send(frame(0), kStart, 1);
    CHECK_EQ(hear(answer(v6, address(v6, 2), mac_last), kStart).size(), 1u);
  }
  std::vector<Bytes> request() const { return {v6 ? kNdRequest : kArpRequest}; }
  std::vector<Bytes> probe() const { return {v6 ? kNdProbe : kArpProbe}; }

  bool v6;
  Lab lab;
  int added = 0;
  uint16_t container, wire, underlay, bridge, domain;
};

inline bool goes_to(const Bytes& frame, uint8_t mac_last) {
  return frame.size() > 100 && Bytes(frame.begin(), frame.begin() + 12) == join({mac(mac_last), mac(0x11)});
}

}  // namespace overlane::test

// TEST, once for IPv4 and once for IPv6.
#define BOTH_TEST(title, name)              \
  static void name(bool v6);                \
  TEST(title) {                             \
    for (bool v6 : {false, true}) name(v6); \
  }                                         \
  static void name(bool v6)
