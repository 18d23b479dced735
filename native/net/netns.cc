#include "net/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <thread>

namespace overlane {

namespace {

constexpr char kNamed[] = "/run/netns/";

NetResult enter(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return missing_namespace(path);
    return net_error(errno, "open the network namespace " + path, "CAP_SYS_ADMIN");
  }
  const int error = setns(fd, CLONE_NEWNET) == 0 ? 0 : errno;
  close(fd);
  if (error == 0) return {};
  if (error == EINVAL) return no_namespace(path);
  return net_error(error, "enter the network namespace " + path, "CAP_SYS_ADMIN");
}

}  // namespace

NetResult missing_namespace(const std::string& path) {
  std::string message = "no network namespace " + path;
  if (path.rfind(kNamed, 0) == 0) {
    message += ": create it with: ip netns add " + path.substr(sizeof kNamed - 1);
  } else {
    message += ": is its process or container still running?";
  }
  return {"ERR_OVERLANE_MISSING", message};
}

NetResult no_namespace(const std::string& path) {
  return {"ERR_OVERLANE_OPTION", path + " is no network namespace: give a path like /run/netns/c1 or /proc/7/ns/net"};
}

NetResult in_thread(const std::function<NetResult()>& work) {
  NetResult result;
  const auto failed = [](const char* why) {
    return NetResult{"ERR_OVERLANE_SYSTEM", std::string("cannot work in a network namespace: ") + why};
  };
  try {
    std::thread([&] {
      try {
        result = work();
      } catch (const std::exception& e) {
        result = failed(e.what());
      }
    }).join();
  } catch (const std::exception& e) {
    return failed(e.what());
  }
  return result;
}

NetResult in_namespace(const std::string& path, const std::function<NetResult()>& work) {
  if (path.empty()) return work();
  return in_thread([&] {
    const NetResult entered = enter(path);
    return entered ? work() : entered;
  });
}

NetResult net_error(int error, const std::string& what, const char* capability) {
  const std::string message = "cannot " + what + ": " + std::strerror(error);
  switch (error) {
    case EPERM:
    case EACCES:
      if (capability == nullptr) return {"ERR_OVERLANE_PERMISSION", message};
      return {"ERR_OVERLANE_PERMISSION", message + "; this needs " + capability + " (run as root, or grant it)"};
    case ENOENT:
    case ENODEV:
      return {"ERR_OVERLANE_MISSING", message};
    case EEXIST:
    case EBUSY:
      return {"ERR_OVERLANE_BUSY", message};
    default:
      return {"ERR_OVERLANE_SYSTEM", message};
  }
}

}  // namespace overlane
