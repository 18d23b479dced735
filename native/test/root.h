// For tests that touch the kernel's network: a visible guard, commands, and namespaces that leave nothing behind.
#pragma once

#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <iostream>
#include <string>

#include "test/check.h"

namespace overlane::test {

// True with CAP_NET_ADMIN and CAP_SYS_ADMIN; otherwise says that `what` is skipped.
inline bool have_root(const char* what) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  const uint32_t wanted = 1u << CAP_NET_ADMIN | 1u << CAP_SYS_ADMIN;
  if (syscall(SYS_capget, &header, data) == 0 && (data[0].effective & wanted) == wanted) return true;
  std::cout << "skip  " << what << " (needs root)\n";
  return false;
}

// Runs a shell command; its exit status, or 128 and the signal that ended it. Bound it with `timeout` where it may
// hang.
inline int run(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// What a shell command prints on stdout.
inline std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  char part[4096];
  for (size_t n; (n = fread(part, 1, sizeof part, pipe)) > 0;) text.append(part, n);
  pclose(pipe);
  return text;
}

// A network namespace with its loopback up, for the life of the object. Its name ends in the process ID, so that test
// runs side by side do not meet.
class Namespace {
 public:
  explicit Namespace(const std::string& name) : name_(name + "-" + std::to_string(getpid())) {
    CHECK_EQ(test::run("ip netns add " + name_ + " && ip -n " + name_ + " link set lo up"), 0);
  }
  ~Namespace() { test::run("ip netns del " + name_ + " 2>/dev/null"); }
  Namespace(const Namespace&) = delete;
  Namespace& operator=(const Namespace&) = delete;

  const std::string& name() const { return name_; }
  std::string path() const { return "/run/netns/" + name_; }
  // `ip <arguments>` in it.
  int ip(const std::string& arguments) const { return test::run("ip -n " + name_ + " " + arguments); }
  // Any shell command in it.
  std::string command(const std::string& text) const { return "ip netns exec " + name_ + " " + text; }
  int run(const std::string& text) const { return test::run(command(text)); }
  std::string output(const std::string& text) const { return output_of(command(text)); }

 private:
  std::string name_;
};

}  // namespace overlane::test
