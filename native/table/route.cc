#include "table/route.h"

#include <algorithm>

namespace overlane {

namespace {

constexpr unsigned kV4Offset = 96;  // of IPv4 in v4-mapped

// The first `bits` bits, the rest zero.
OVERLANE_INLINE uint64_t high_bits(unsigned bits) {
  return bits == 0 ? 0 : __builtin_bswap64(~uint64_t{0} << (64 - bits));
}

OVERLANE_INLINE IpAddress masked(IpAddress ip, unsigned bits) {
  return bits <= 64 ? IpAddress{ip.high & high_bits(bits), 0} : IpAddress{ip.high, ip.low & high_bits(bits - 64)};
}

unsigned bits_of(const Prefix& prefix) {
  return prefix.length + (prefix.ip.is_v4() ? kV4Offset : 0);
}

OVERLANE_INLINE uint32_t space_of(uint16_t router, unsigned bits) {
  return uint32_t{router} << 8 | bits;
}

IpAddress last_of(IpAddress ip, unsigned bits) {
  return bits <= 64 ? IpAddress{ip.high | ~high_bits(bits), UINT64_MAX}
                    : IpAddress{ip.high, ip.low | ~high_bits(bits - 64)};
}

}  // namespace

bool Prefix::contains(IpAddress other) const {
  const unsigned bits = bits_of(*this);
  return ip.is_v4() == other.is_v4() && masked(ip, bits) == masked(other, bits);
}

IpAddress link_local_of(Mac mac) {
  uint8_t bytes[16] = {0xfe, 0x80};
  store_mac(bytes + 8, mac);
  bytes[8] ^= 2;
  std::copy_backward(bytes + 11, bytes + 14, bytes + 16);
  bytes[11] = 0xff;
  bytes[12] = 0xfe;
  return IpAddress::v6(bytes);
}

const RouteEntry* RouteTable::find(uint16_t router, IpAddress to) {
  for (const unsigned bits : lengths_[router]) {
    const RouteEntry* route = routes_.find({masked(to, bits), space_of(router, bits)});
    if (route != nullptr) return route;
  }
  return nullptr;
}

bool RouteTable::is_local(uint16_t router, IpAddress ip) {
  const RouteEntry* route = routes_.find({ip, space_of(router, 128)});
  return route != nullptr && route->kind == RouteEntry::Kind::local;
}

void RouteTable::add(uint16_t router, IpAddress ip, unsigned bits, RouteEntry route) {
  *routes_.insert({masked(ip, bits), space_of(router, bits)}) = route;
  std::vector<uint8_t>& lengths = lengths_[router];
  if (std::find(lengths.begin(), lengths.end(), bits) == lengths.end()) lengths.push_back(static_cast<uint8_t>(bits));
}

void RouteTable::add_interface(uint16_t index, const RouterInterface& interface) {
  for (const Prefix& address : interface.addresses) {
    const unsigned bits = bits_of(address);
    add(interface.router, address.ip, bits, {RouteEntry::Kind::connected, index});
    if (!address.ip.is_v4() || address.length > 30) continue;  // RFC 3021
    add(interface.router, masked(address.ip, bits), 128, {RouteEntry::Kind::broadcast, index});
    add(interface.router, last_of(address.ip, bits), 128, {RouteEntry::Kind::broadcast, index});
  }
  // Last, as those of a /32 or /128 are both.
  for (const Prefix& address : interface.addresses) {
    add(interface.router, address.ip, 128, {RouteEntry::Kind::local, index});
  }
}

void RouteTable::rebuild(const std::vector<Router>& routers, const std::vector<RouterInterface>& interfaces) {
  constexpr size_t kRoutesEach = 4;  // of an address: its prefix, two broadcasts, itself
  size_t most = routers.size();
  for (const RouterInterface& interface : interfaces) most += interface.addresses.size() * kRoutesEach;
  routes_ = FlatMap<AddressKey, RouteEntry>(most, seed_);
  lengths_.assign(routers.size(), {});
  for (uint16_t i = 0; i < routers.size(); ++i) {
    if (routers[i].used) add(i, routers[i].link_local, 128, {RouteEntry::Kind::local, kNoInterface});
  }
  for (uint16_t i = 0; i < interfaces.size(); ++i) {
    if (interfaces[i].used) add_interface(i, interfaces[i]);
  }
  for (auto& lengths : lengths_) std::sort(lengths.rbegin(), lengths.rend());
}

}  // namespace overlane
