// columns: parse laid out for JavaScript, one array a field, in one buffer.
#pragma once

#include <cstddef>
#include <cstdint>

namespace overlane {

struct ColumnInfo {
  const char* name;
  const char* type;  // as the typed array is called: Uint8, Uint16, Uint32, Int32, Float64
  uint32_t element;  // bytes
  uint32_t per_packet;
  const char* about;
};

inline constexpr size_t kColumnCount =
#define COLUMN(name, type, per, about) +1
    0
#include "wire/columns.def"
#undef COLUMN
    ;
extern const ColumnInfo kColumns[kColumnCount];

// Bytes for `capacity` packets; each column starts 8-aligned.
size_t columns_bytes(uint32_t capacity);

// Parses a burst into the rows of a buffer laid out for `capacity` packets, at least `count`.
class ColumnWriter {
 public:
  ColumnWriter(uint8_t* buffer, uint32_t capacity);
  void write(const uint8_t* data, const uint32_t* offsets, const uint32_t* lengths, uint32_t count);

 private:
  uint8_t* at_[kColumnCount];
};

}  // namespace overlane
