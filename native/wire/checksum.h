// The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Sums stay in host byte order: ones'
// complement addition does not care, as long as what is stored was summed the same way.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/bytes.h"

namespace overlane {

// Unfolded sum of the bytes as little-endian 16-bit words; an odd last byte counts as the low half.
uint64_t checksum_add(const uint8_t* data, size_t length, uint64_t sum = 0);

// Adding a number to itself with the halves swapped leaves, in the high half, their sum with its carry.
OVERLANE_INLINE uint16_t checksum_fold(uint64_t sum) {
  sum += sum << 32 | sum >> 32;
  auto high = static_cast<uint32_t>(sum >> 32);
  high += high << 16 | high >> 16;
  return static_cast<uint16_t>(high >> 16);
}

// The 20 bytes of an IPv4 header without options: 0xffff when its checksum is right.
OVERLANE_INLINE uint16_t checksum_ipv4(const uint8_t* header) {
  uint64_t sum = uint64_t{load<uint32_t>(header)} + load<uint32_t>(header + 4) + load<uint32_t>(header + 8) +
                 load<uint32_t>(header + 12) + load<uint32_t>(header + 16);
  return checksum_fold(sum);
}

// Sum of the pseudo-header (RFC 768; RFC 8200, section 8.1) for `length` bytes of `protocol`.
uint64_t checksum_pseudo_ipv4(const uint8_t* source, const uint8_t* destination, uint8_t protocol, uint32_t length);
uint64_t checksum_pseudo_ipv6(const uint8_t* source, const uint8_t* destination, uint8_t protocol, uint32_t length);

// RFC 1624, equation 3: the checksum field after one 16-bit word changed. All three as loaded from the wire.
OVERLANE_INLINE uint16_t checksum_update(uint16_t checksum, uint16_t before, uint16_t after) {
  uint32_t sum = static_cast<uint16_t>(~checksum) + uint32_t{static_cast<uint16_t>(~before)} + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

}  // namespace overlane
