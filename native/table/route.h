// Routers: their interfaces, and which of them an address is behind. Changed between bursts only.
#pragma once

#include <vector>

#include "core/ip_address.h"
#include "core/time.h"
#include "table/address.h"
#include "table/flat_map.h"
#include "wire/ethernet.h"

namespace overlane {

inline constexpr uint16_t kNoInterface = 0xffff;

struct Prefix {
  IpAddress ip;        // with its host bits
  uint8_t length = 0;  // bits of its own family

  bool contains(IpAddress other) const;
};

struct RouterInterface {  // a router's place in one domain, which is a network connected to it
  bool used = false;
  uint16_t router = 0;
  uint16_t domain = 0;
  uint32_t mtu = 65535;
  std::vector<Prefix> addresses;
};

// How many ICMP errors a router may send (RFC 1812, section 4.3.2.8): kRate a second, and kBurst at once.
class ErrorLimit {
 public:
  static constexpr Nanos kRate = 1000;
  static constexpr Nanos kBurst = 50;

  bool take(Nanos now) {
    constexpr Nanos kEach = 1'000'000'000 / kRate;
    if (next_ < now) next_ = now;
    if (next_ - now > kEach * (kBurst - 1)) return false;
    next_ += kEach;
    return true;
  }

 private:
  Nanos next_ = INT64_MIN;  // when there would be one more if there were no burst
};

struct Router {
  bool used = false;
  Mac mac = 0;
  IpAddress link_local;  // of every interface: fe80::/64 and the EUI-64 of the MAC (RFC 4291, appendix A)
  ErrorLimit errors;
};

IpAddress link_local_of(Mac mac);

struct RouteEntry {
  enum class Kind : uint8_t {
    connected,  // a host of the interface's domain
    local,      // the router itself
    broadcast,  // a subnet's first or last address (RFC 1812, section 4.2.3.1)
  };
  Kind kind = Kind::connected;
  uint16_t interface = kNoInterface;
};

class RouteTable {
 public:
  explicit RouteTable(uint64_t seed) : seed_(seed), routes_(1, seed) {}

  // The longest prefix that `to` is in; nullptr: none.
  const RouteEntry* find(uint16_t router, IpAddress to);
  // Whether an interface has that very address; link-local ones are every interface's.
  bool is_local(uint16_t router, IpAddress ip);
  // Allocates.
  void rebuild(const std::vector<Router>& routers, const std::vector<RouterInterface>& interfaces);

 private:
  void add(uint16_t router, IpAddress ip, unsigned bits, RouteEntry route);
  void add_interface(uint16_t index, const RouterInterface& interface);

  uint64_t seed_;
  FlatMap<AddressKey, RouteEntry> routes_;     // of a router and a length
  std::vector<std::vector<uint8_t>> lengths_;  // by router, in 128 bits, the longest first
};

}  // namespace overlane
