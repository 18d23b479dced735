#include "net/capabilities.h"

#include <dirent.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <vector>

namespace overlane {

namespace {

// The signal by which the C library itself reaches every thread for setuid(2), so none blocks it: sigfillset() and
// pthread_sigmask() leave it out. Any other is blocked by threads of Node's and by overlane's workers. setuid() at the
// same time, from another thread, would be disturbed.
constexpr int kSignal = 33;
constexpr int kTemplateOffset = 2;  // from SIGRTMAX: a signal that nobody uses
constexpr int kMaxCapability = 63;
constexpr int kRounds = 4000;
constexpr timespec kPause{0, 500'000};

std::atomic<Capabilities> to_keep{0};
std::atomic<int> first_error{0};

bool read_sets(__user_cap_data_struct (&sets)[2]) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return syscall(SYS_capget, &header, sets) == 0;
}

// The calling thread. Async-signal-safe: system calls only. 0 or an errno.
int restrict_thread(Capabilities keep) {
  // While CAP_SETPCAP is there; without it no_new_privs alone has to do. EINVAL: past the last one.
  for (int i = 0; i <= kMaxCapability && syscall(SYS_prctl, PR_CAPBSET_DROP, i, 0, 0, 0) == 0; ++i) {
  }
  if (syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return errno;
  __user_cap_data_struct sets[2];
  if (!read_sets(sets)) return errno;
  for (int half = 0; half < 2; ++half) {
    const auto mask = static_cast<uint32_t>(keep >> 32 * half);
    sets[half].permitted &= mask;
    sets[half].effective &= mask;
    sets[half].inheritable = 0;
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  if (syscall(SYS_capset, &header, sets) != 0) return errno;
  return syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
}

void on_signal(int, siginfo_t* info, void*) {
  if (info->si_code != SI_TKILL || info->si_pid != getpid()) return;
  const int saved = errno;
  const int error = restrict_thread(to_keep.load());
  int none = 0;
  if (error != 0) first_error.compare_exchange_strong(none, error);
  errno = saved;
}

// The kernel's own form of a handler, which glibc does not let through for kSignal.
struct KernelAction {
  alignas(8) uint8_t bytes[64];
};

bool kernel_action(int signal, const KernelAction* act, KernelAction* old) {
  return syscall(SYS_rt_sigaction, signal, act, old, sizeof(uint64_t)) == 0;
}

// glibc writes the handler for a signal that it allows, and what the kernel then has serves for kSignal too.
bool install(KernelAction& before) {
  const int other = SIGRTMAX - kTemplateOffset;
  struct sigaction ours {
  }, previous{};
  ours.sa_sigaction = on_signal;
  ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  sigfillset(&ours.sa_mask);
  KernelAction action;
  if (sigaction(other, &ours, &previous) != 0) return false;
  const bool read = kernel_action(other, nullptr, &action);
  sigaction(other, &previous, nullptr);
  return read && kernel_action(kSignal, &action, &before);
}

struct Thread {
  std::string name;
  Capabilities held = 0;  // in any set that counts
  bool locked = false;    // no_new_privs
  bool pending = false;   // our signal
  bool ended = false;
};

// False: it is gone.
bool read_thread(pid_t tid, Thread& thread) {
  const std::string path = "/proc/self/task/" + std::to_string(tid) + "/status";
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return false;
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    const char* value = std::strchr(line, '\t');
    if (value++ == nullptr) continue;
    const auto is = [&](const char* key) { return std::strncmp(line, key, std::strlen(key)) == 0; };
    const auto bits = [&] { return std::strtoull(value, nullptr, 16); };
    if (is("Name:")) thread.name.assign(value, std::strcspn(value, "\n"));
    if (is("State:")) thread.ended = *value == 'Z' || *value == 'X';
    if (is("CapInh:") || is("CapPrm:") || is("CapEff:") || is("CapAmb:")) thread.held |= bits();
    if (is("NoNewPrivs:")) thread.locked = *value == '1';
    if (is("SigPnd:")) thread.pending = bits() >> (kSignal - 1) & 1;
  }
  std::fclose(file);
  return true;
}

bool list_threads(std::set<pid_t>& threads) {
  threads.clear();
  DIR* folder = opendir("/proc/self/task");
  if (folder == nullptr) return false;
  while (const dirent* entry = readdir(folder)) {
    const pid_t tid = std::atoi(entry->d_name);
    if (tid > 0) threads.insert(tid);
  }
  closedir(folder);
  return true;
}

// Signals the threads that have not dropped theirs. Empty: all have; else one that has not, in words.
std::string pass(const std::set<pid_t>& threads, Capabilities keep) {
  std::string left;
  for (const pid_t tid : threads) {
    Thread thread;
    if (!read_thread(tid, thread) || thread.ended) continue;
    const bool dropped = (thread.held & ~keep) == 0 && thread.locked;
    if (dropped && !thread.pending) continue;
    left = std::to_string(tid) + " (" + thread.name + ")";
    if (!dropped && !thread.pending) syscall(SYS_tgkill, getpid(), tid, kSignal);
  }
  return left;
}

// A thread that starts meanwhile has what its maker had, so it takes two passes in a row over the same threads.
NetResult reach_all(Capabilities keep) {
  std::set<pid_t> threads, before;
  std::string left;
  for (int round = 0; round < kRounds; ++round) {
    if (!list_threads(threads)) return net_error(errno, "list the threads of this process in /proc/self/task");
    left = pass(threads, keep);
    if (first_error.load() != 0) return net_error(first_error.load(), "drop the capabilities of a thread");
    if (left.empty() && threads == before) return {};
    before.clear();
    if (left.empty()) before = threads;
    nanosleep(&kPause, nullptr);
  }
  return {"ERR_OVERLANE_SYSTEM", "thread " + left +
                                     " does not answer and keeps its capabilities: end the process, and "
                                     "start it without what made this thread (io_uring: UV_USE_IO_URING=0)"};
}

}  // namespace

Capabilities permitted_capabilities() {
  __user_cap_data_struct sets[2] = {};
  if (!read_sets(sets)) return 0;
  return uint64_t{sets[1].permitted} << 32 | sets[0].permitted;
}

NetResult drop_capabilities(Capabilities keep) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  std::set<pid_t> threads;
  // Before anything is changed.
  if (!list_threads(threads)) return net_error(errno, "list the threads of this process in /proc/self/task");
  to_keep.store(keep);
  first_error.store(0);
  KernelAction before;
  if (!install(before)) return net_error(errno, "install a signal handler");
  const int error = restrict_thread(keep);
  const NetResult result = error != 0 ? net_error(error, "drop the capabilities of this thread") : reach_all(keep);
  // A thread that is still to be interrupted must find our handler: the C library's would crash it.
  if (result || error != 0) kernel_action(kSignal, &before, nullptr);
  return result;
}

}  // namespace overlane
