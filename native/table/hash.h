// The one hash of the tables: keyed by a seed, so that nobody who picks MACs or addresses can pick collisions.
#pragma once

#include <cstdint>

#include "core/platform.h"

namespace overlane {

OVERLANE_INLINE uint64_t hash64(uint64_t key, uint64_t seed) {
  uint64_t h = (key ^ seed) * 0x9e3779b97f4a7c15;
  h ^= h >> 32;
  return h * 0xd6e8feb86659fd93;  // callers take the high bits
}

}  // namespace overlane
