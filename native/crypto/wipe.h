// Zeros that the compiler does not leave out.
#pragma once

#include <cstddef>

namespace overlane {

void wipe(void* memory, size_t bytes);

}  // namespace overlane
