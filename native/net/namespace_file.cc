#include "net/namespace_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "net/link.h"

namespace overlane {

namespace {

constexpr char kOwn[] = "/proc/thread-self/ns/net";
constexpr unsigned kLayers = 16;  // mounts on one file

// Folders and file, until they are kept.
class Making {
 public:
  ~Making() {
    if (kept_) return;
    if (!file_.empty()) unlink(file_.c_str());
    for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) rmdir(folder->c_str());
  }

  NetResult make_folders(const std::string& path) {
    for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
      const std::string folder = path.substr(0, at);
      if (mkdir(folder.c_str(), 0755) == 0) {
        folders_.push_back(folder);
        chmod(folder.c_str(), 0755);  // whatever the umask
      } else if (errno != EEXIST) {
        return net_error(errno, "make the folder " + folder, "write access there");
      }
    }
    return {};
  }
  NetResult make_file(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (fd >= 0) return file_ = path, close(fd), NetResult{};
    if (errno != EEXIST) return net_error(errno, "make the file " + path, "write access there");
    const std::string what = is_namespace(path) ? "is a network namespace" : "is a file";
    return {"ERR_OVERLANE_EXISTS",
            "there " + what + " at " + path + " already: delete it first, or choose another path"};
  }
  void keep() { kept_ = true; }

 private:
  std::vector<std::string> folders_;
  std::string file_;
  bool kept_ = false;
};

NetResult make_and_mount(const std::string& path) {
  if (unshare(CLONE_NEWNET) != 0) return net_error(errno, "make a network namespace", "CAP_SYS_ADMIN");
  LinkSettings up;
  const NetResult loopback = configure_link("lo", up);
  if (!loopback) return loopback;
  if (mount(kOwn, path.c_str(), nullptr, MS_BIND, nullptr) == 0) return {};
  return net_error(errno, "mount the network namespace on " + path, "CAP_SYS_ADMIN");
}

}  // namespace

NetResult create_namespace(const std::string& path) {
  Making making;
  NetResult result = making.make_folders(path);
  if (result) result = making.make_file(path);
  if (result) result = in_thread([&] { return make_and_mount(path); });
  if (result) making.keep();
  return result;
}

NetResult delete_namespace(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return {};
    return net_error(errno, "look at " + path, "access to its folder");
  }
  for (unsigned layer = 0; is_namespace(path) && layer < kLayers; ++layer) {
    if (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) continue;
    if (errno == EINVAL) break;  // no mount, so a way to it like /proc/7/ns/net
    return net_error(errno, "unmount " + path, "CAP_SYS_ADMIN");
  }
  if (lstat(path.c_str(), &status) != 0 && errno == ENOENT) return {};
  if (!S_ISREG(status.st_mode) || status.st_size != 0 || is_namespace(path)) {
    return {"ERR_OVERLANE_OPTION", path + " is no name of a network namespace: it was left alone"};
  }
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return net_error(errno, "remove " + path, "write access to its folder");
}

bool is_namespace(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return false;
  struct statfs system {};
  const bool is = fstatfs(fd, &system) == 0 && system.f_type == NSFS_MAGIC && ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
  close(fd);
  return is;
}

NetResult namespace_id(const std::string& path, std::string& id) {
  struct stat status {};
  const std::string& of = path.empty() ? kOwn : path;
  if (stat(of.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return missing_namespace(path);
    return net_error(errno, "look at " + of, "access to its folder");
  }
  if (!is_namespace(of)) return no_namespace(path);
  id = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
  return {};
}

}  // namespace overlane
