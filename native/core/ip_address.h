// An IP address: 128 bits as they lie in memory, IPv4 as v4-mapped.
#pragma once

#include <cstdint>

#include "core/bytes.h"

namespace overlane {

struct IpAddress {
  uint64_t high = 0;
  uint64_t low = 0;

  static OVERLANE_INLINE IpAddress v4(const uint8_t* bytes) {
    return {0, uint64_t{0xffff0000} | uint64_t{load<uint32_t>(bytes)} << 32};
  }
  static OVERLANE_INLINE IpAddress v6(const uint8_t* bytes) {
    return {load<uint64_t>(bytes), load<uint64_t>(bytes + 8)};
  }
  bool is_v4() const { return high == 0 && (low & 0xffffffff) == 0xffff0000; }
  // Writes 4 or 16 bytes; returns how many.
  unsigned write(uint8_t* to) const {
    if (is_v4()) return store(to, static_cast<uint32_t>(low >> 32)), 4;
    store(to, high);
    store(to + 8, low);
    return 16;
  }
  bool operator==(const IpAddress&) const = default;
};

inline constexpr IpAddress kNobody4{0, 0xffff0000};  // 0.0.0.0

}  // namespace overlane
