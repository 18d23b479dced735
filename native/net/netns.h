// Work in another network namespace: a short-lived thread enters it, so that no other thread ever leaves its own.
#pragma once

#include <functional>
#include <string>

namespace overlane {

// Runs `work` in the namespace at `path` ("/run/netns/c1", "/proc/7/ns/net"; empty: the caller's own, without a
// thread). Empty result: done. Otherwise what failed, in words that say what to do. What `work` returns is passed on
// likewise.
struct NetResult {
  const char* code = nullptr;  // nullptr: fine; else as in src/errors.ts
  std::string message;
  explicit operator bool() const { return code == nullptr; }
};
NetResult in_namespace(const std::string& path, const std::function<NetResult()>& work);
// In a thread that ends with it, so that it may leave its namespace.
NetResult in_thread(const std::function<NetResult()>& work);

// What to say of a path where nothing is, and of one where something else is.
NetResult missing_namespace(const std::string& path);
NetResult no_namespace(const std::string& path);

// An errno of the system as an error: EPERM and EACCES are ERR_OVERLANE_PERMISSION and name `capability`, ENOENT and
// ENODEV ERR_OVERLANE_MISSING, EEXIST and EBUSY ERR_OVERLANE_BUSY, the rest ERR_OVERLANE_SYSTEM.
NetResult net_error(int error, const std::string& what, const char* capability = nullptr);

}  // namespace overlane
