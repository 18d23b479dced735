// UDP (RFC 768).
#pragma once

#include "wire/field.h"

namespace overlane {

struct Udp {
  Be16 source;       // 0-1
  Be16 destination;  // 2-3
  Be16 length;       // 4-5  header included
  Be16 checksum;     // 6-7  0: none
};
static_assert(sizeof(Udp) == 8 && alignof(Udp) == 1);

}  // namespace overlane
