// Unaligned loads and stores, big-endian helpers. The wire is big-endian; the host here is little-endian.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/platform.h"

namespace overlane {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "port the MAC and address folds before building here");

template <typename T>
OVERLANE_INLINE T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
OVERLANE_INLINE void store(void* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

OVERLANE_INLINE uint16_t swap16(uint16_t v) {
  return __builtin_bswap16(v);
}
OVERLANE_INLINE uint32_t swap32(uint32_t v) {
  return __builtin_bswap32(v);
}

OVERLANE_INLINE uint16_t load_be16(const void* from) {
  return swap16(load<uint16_t>(from));
}
OVERLANE_INLINE uint32_t load_be32(const void* from) {
  return swap32(load<uint32_t>(from));
}
OVERLANE_INLINE uint32_t load_be24(const uint8_t* from) {
  return uint32_t{from[0]} << 16 | uint32_t{from[1]} << 8 | from[2];
}
OVERLANE_INLINE void store_be16(void* to, uint16_t v) {
  store(to, swap16(v));
}
OVERLANE_INLINE void store_be32(void* to, uint32_t v) {
  store(to, swap32(v));
}
OVERLANE_INLINE uint64_t load_be64(const void* from) {
  return __builtin_bswap64(load<uint64_t>(from));
}
OVERLANE_INLINE void store_be64(void* to, uint64_t v) {
  store(to, __builtin_bswap64(v));
}
OVERLANE_INLINE void store_be24(uint8_t* to, uint32_t v) {
  to[0] = static_cast<uint8_t>(v >> 16);
  to[1] = static_cast<uint8_t>(v >> 8);
  to[2] = static_cast<uint8_t>(v);
}

}  // namespace overlane
