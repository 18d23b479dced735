// TCP (RFC 9293, section 3.1): a view, overlane does not end TCP connections.
#pragma once

#include "wire/field.h"

namespace overlane {

struct Tcp {
  Be16 source;          // 0-1
  Be16 destination;     // 2-3
  Be32 sequence;        // 4-7
  Be32 acknowledgment;  // 8-11
  uint8_t data_offset;  // 12     header length in 4-byte words, high four bits
  uint8_t flags;        // 13
  Be16 window;          // 14-15
  Be16 checksum;        // 16-17
  Be16 urgent;          // 18-19
};
static_assert(sizeof(Tcp) == 20 && alignof(Tcp) == 1);

}  // namespace overlane
