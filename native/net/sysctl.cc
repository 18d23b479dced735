#include "net/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace overlane {

namespace {

NetResult failure(int error, const std::string& doing, const std::string& path) {
  NetResult result = net_error(error, doing + " /proc/sys/" + path, "root in this namespace");
  if (error == ENOENT) result.message += "; is its kernel module loaded, or its interface there?";
  if (error == EROFS) result.message += "; /proc/sys is mounted read-only, as in containers that are not privileged";
  return result;
}

int open_setting(const std::string& path, int flags) {
  return open(("/proc/sys/" + path).c_str(), flags | O_CLOEXEC | O_NOFOLLOW);
}

}  // namespace

NetResult read_sysctl(const std::string& path, std::string& value) {
  const int fd = open_setting(path, O_RDONLY);
  if (fd < 0) return failure(errno, "read", path);
  value.clear();
  char part[4096];
  ssize_t n;
  while ((n = read(fd, part, sizeof part)) > 0) value.append(part, static_cast<size_t>(n));
  const int error = n < 0 ? errno : 0;
  close(fd);
  if (error != 0) return failure(error, "read", path);
  if (!value.empty() && value.back() == '\n') value.pop_back();
  return {};
}

NetResult write_sysctl(const std::string& path, const std::string& value) {
  const int fd = open_setting(path, O_WRONLY);
  if (fd < 0) return failure(errno, "write", path);
  const ssize_t n = write(fd, value.data(), value.size());
  const int error = n < 0 ? errno : n == static_cast<ssize_t>(value.size()) ? 0 : EINVAL;
  close(fd);
  if (error == EINVAL || error == ERANGE) {
    return {"ERR_OVERLANE_OPTION", "the kernel does not take \"" + value + "\" for /proc/sys/" + path};
  }
  return error == 0 ? NetResult{} : failure(error, "write", path);
}

}  // namespace overlane
