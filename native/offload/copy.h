// Copying and summing in one pass.
#pragma once

#include <cstddef>
#include <cstdint>

namespace overlane {

// Copies `length` bytes and returns what folds like checksum_add(from, length, sum). `to` may lie before `from` and
// overlap it. Saves 15 to 20 ns of 1400 bytes over the one after the other.
uint64_t checksum_copy(uint8_t* to, const uint8_t* from, size_t length, uint64_t sum);

}  // namespace overlane
