// Capabilities of the whole process (capabilities(7)). Linux keeps them for each thread by itself.
#pragma once

#include <cstdint>

#include "net/netns.h"

namespace overlane {

// A set of capabilities: bit i is capability i of linux/capability.h.
using Capabilities = uint64_t;

// What the calling thread may use, or give itself.
Capabilities permitted_capabilities();

// In every thread of the process: keeps at most `keep`, empties the inheritable, ambient and (with CAP_SETPCAP)
// bounding sets, and sets no_new_privs, so that nothing gets capabilities again, by execve(2) neither. For good.
// ERR_OVERLANE_SYSTEM: some thread could not be reached within seconds; the process must not go on as if it were.
NetResult drop_capabilities(Capabilities keep);

}  // namespace overlane
