// Settings below /proc/sys of the calling thread's network namespace.
#pragma once

#include <string>

#include "net/netns.h"

namespace overlane {

// `path` below /proc/sys, such as "net/ipv4/ip_forward"; known to lead nowhere else. `value` without the last newline.
// Codes: ERR_OVERLANE_MISSING, _PERMISSION, _OPTION (a value that the kernel refuses), _SYSTEM.
NetResult read_sysctl(const std::string& path, std::string& value);
NetResult write_sysctl(const std::string& path, const std::string& value);

}  // namespace overlane
