#include "engine/placement.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

namespace overlane {

namespace {

constexpr Nanos kRare = 2'000'000;          // with longer between two wake-ups, nothing is gained
constexpr Nanos kPatience = 1'000'000'000;  // before it tries again

bool is_only(const cpu_set_t& cpus, int cpu) {
  return CPU_COUNT(&cpus) == 1 && CPU_ISSET(static_cast<unsigned>(cpu), &cpus);
}

}  // namespace

Placement::Placement(Nanos now, bool free) : since_(now) {
  if (!free) return;
  schedstat_ = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  if (schedstat_ < 0 || read_usage(usage_)) return;
  close(schedstat_);
  schedstat_ = -1;
}

Placement::~Placement() {
  if (schedstat_ >= 0) close(schedstat_);
}

bool Placement::read_usage(Usage& usage) const {
  char text[96];
  const ssize_t n = pread(schedstat_, text, sizeof text - 1, 0);
  if (n <= 0) return false;
  text[n] = 0;
  long long ran, waited;
  rusage own;
  if (std::sscanf(text, "%lld %lld", &ran, &waited) != 2 || getrusage(RUSAGE_THREAD, &own) != 0) return false;
  usage = {ran, waited, static_cast<uint64_t>(own.ru_nvcsw)};
  return true;
}

void Placement::look_back(Nanos now) {
  Usage usage;
  if (schedstat_ >= 0 && read_usage(usage)) {
    const Nanos ran = usage.ran - usage_.ran;
    choose_cpu(now, ran, usage.waited - usage_.waited, usage.sleeps != usage_.sleeps);
    usage_ = usage;
  }
  since_ = now;
  wakes_ = 0;
}

void Placement::choose_cpu(Nanos now, Nanos ran, Nanos waited, bool slept) {
  const Nanos window = now - since_;
  const bool rare = wakes_ * kRare < window;
  const bool swamped = !slept && ran + waited > window * 9 / 10;
  if (swamped) not_before_ = now + kPatience;
  if (swamped || rare) {
    let_go();
  } else if (home_ < 0 && now >= not_before_) {
    settle();
  }
}

void Placement::settle() {
  const int cpu = sched_getcpu();
  if (cpu < 0 || sched_getaffinity(0, sizeof allowed_, &allowed_) != 0 || CPU_COUNT(&allowed_) < 2) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(cpu), &one);
  if (sched_setaffinity(0, sizeof one, &one) == 0) home_ = cpu;
}

// Unless somebody else decided otherwise meanwhile.
void Placement::let_go() {
  cpu_set_t cpus;
  if (home_ >= 0 && sched_getaffinity(0, sizeof cpus, &cpus) == 0 && is_only(cpus, home_)) {
    sched_setaffinity(0, sizeof allowed_, &allowed_);
  }
  home_ = -1;
}

}  // namespace overlane
