// ESP (RFC 4303) with AES-GCM (RFC 4106). What is sealed is in transport mode: a UDP datagram and its trailer.
#pragma once

#include "wire/field.h"

namespace overlane {

struct Esp {      // RFC 4303, section 2; RFC 4106, section 3
  Be32 spi;       // 0-3
  Be32 sequence;  // 4-7   the low half, where sequence numbers are extended
  uint8_t iv[8];  // 8-15
};
static_assert(sizeof(Esp) == 16 && alignof(Esp) == 1);

struct EspTrailer {     // after up to 3 bytes of padding, before the ICV
  uint8_t pad_length;   // 0
  uint8_t next_header;  // 1
};
static_assert(sizeof(EspTrailer) == 2);

namespace esp {
inline constexpr uint16_t kUdpPort = 4500;  // RFC 3948
inline constexpr uint32_t kAlignment = 4;   // of what is sealed, trailer included
inline constexpr uint32_t kMaxPadding = kAlignment - 1;
inline constexpr uint32_t kMaxIcv = 16;
inline constexpr uint32_t kMinSpi = 256;  // the others are reserved (RFC 4303, section 2.1)
}  // namespace esp

}  // namespace overlane
