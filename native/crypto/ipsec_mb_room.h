// Memory for the opaque structures of Intel's library. It takes 1,008 and 96 bytes in version 1.3; loading it measures.
#pragma once

#include <cstddef>

namespace overlane {

inline constexpr size_t kIpsecMbKeyRoom = 2048;
inline constexpr size_t kIpsecMbContextRoom = 256;

}  // namespace overlane
