// Network namespaces that have a name: a file on which one is mounted, as `ip netns` keeps them.
#pragma once

#include <string>

#include "net/netns.h"

namespace overlane {

// Makes a namespace with its loopback up, and the file at `path` with the folders that lead to it. After a failure
// nothing is left. Codes: ERR_OVERLANE_EXISTS, _PERMISSION (CAP_SYS_ADMIN), _SYSTEM.
NetResult create_namespace(const std::string& path);
// Takes the name away; the namespace ends when nothing is in it. One that is not there is no error, and what is left of
// one that was made halfway goes, too. ERR_OVERLANE_OPTION: `path` is something else; it stays.
NetResult delete_namespace(const std::string& path);
// Whether there is a network namespace at `path`.
bool is_namespace(const std::string& path);
// Which one it is (empty: that of the calling thread), however its path is written: "device:inode".
NetResult namespace_id(const std::string& path, std::string& id);

}  // namespace overlane
