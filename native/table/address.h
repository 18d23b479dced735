// Keys of the address tables: an address inside a number space (domain or underlay).
#pragma once

#include <cstdint>

#include "core/ip_address.h"
#include "table/hash.h"

namespace overlane {

struct AddressKey {
  IpAddress ip;
  uint32_t space = 0;

  bool operator==(const AddressKey&) const = default;
  uint64_t hash(uint64_t seed) const { return hash64(ip.low ^ hash64(ip.high ^ space, seed), seed); }
};

}  // namespace overlane
