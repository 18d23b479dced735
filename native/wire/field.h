// Big-endian integers as they lie on the wire: byte arrays, so that a header struct has no padding and no alignment.
#pragma once

#include <cstdint>

#include "core/bytes.h"

namespace overlane {

struct Be16 {
  uint8_t bytes[2];
  OVERLANE_INLINE operator uint16_t() const { return load_be16(bytes); }
  OVERLANE_INLINE Be16& operator=(uint16_t v) { return store_be16(bytes, v), *this; }
};

struct Be24 {
  uint8_t bytes[3];
  OVERLANE_INLINE operator uint32_t() const { return load_be24(bytes); }
  OVERLANE_INLINE Be24& operator=(uint32_t v) { return store_be24(bytes, v), *this; }
};

struct Be32 {
  uint8_t bytes[4];
  OVERLANE_INLINE operator uint32_t() const { return load_be32(bytes); }
  OVERLANE_INLINE Be32& operator=(uint32_t v) { return store_be32(bytes, v), *this; }
};

static_assert(sizeof(Be16) == 2 && sizeof(Be24) == 3 && sizeof(Be32) == 4 && alignof(Be32) == 1);

}  // namespace overlane
