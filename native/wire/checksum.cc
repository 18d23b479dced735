#include "wire/checksum.h"

namespace overlane {

OVERLANE_CLONES
uint64_t checksum_add(const uint8_t* data, size_t length, uint64_t sum) {
  size_t words = length / 4;
  for (size_t i = 0; i < words; ++i) sum += load<uint32_t>(data + 4 * i);
  data += 4 * words;
  if (length & 2) {
    sum += load<uint16_t>(data);
    data += 2;
  }
  if (length & 1) sum += *data;
  return sum;
}

uint64_t checksum_pseudo_ipv4(const uint8_t* source, const uint8_t* destination, uint8_t protocol, uint32_t length) {
  uint64_t sum = checksum_add(source, 4) + checksum_add(destination, 4);
  return sum + (uint64_t{protocol} << 8) + swap32(length);
}

uint64_t checksum_pseudo_ipv6(const uint8_t* source, const uint8_t* destination, uint8_t protocol, uint32_t length) {
  uint64_t sum = checksum_add(source, 16) + checksum_add(destination, 16);
  return sum + (uint64_t{protocol} << 8) + swap32(length);
}

}  // namespace overlane
