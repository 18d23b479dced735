// Where a worker runs: with the affinity that the kernel has of this thread as the judge.
#include <sched.h>
#include <unistd.h>

#include <iostream>

#include "engine/placement.h"
#include "test/check.h"

using namespace overlane;

namespace {

constexpr Nanos kWindow = Placement::kWindow;

cpu_set_t affinity() {
  cpu_set_t cpus;
  CHECK_EQ(sched_getaffinity(0, sizeof cpus, &cpus), 0);
  return cpus;
}

void run_on(const cpu_set_t& cpus) {
  CHECK_EQ(sched_setaffinity(0, sizeof cpus, &cpus), 0);
}

cpu_set_t only(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<unsigned>(cpu), &cpus);
  return cpus;
}

bool same(const cpu_set_t& a, const cpu_set_t& b) {
  return CPU_EQUAL(&a, &b);
}

// Two CPUs that this thread may run on. False: there is one only, and `what` is skipped.
bool two_cpus(const char* what, int& one, int& other) {
  const cpu_set_t all = affinity();
  one = other = -1;
  for (int cpu = 0; cpu < CPU_SETSIZE && other < 0; ++cpu) {
    if (CPU_ISSET(static_cast<unsigned>(cpu), &all)) (one < 0 ? one : other) = cpu;
  }
  if (other < 0) std::cout << "skip  " << what << " (needs two CPUs)\n";
  return other >= 0;
}

// As a worker that had `wakes` wake-ups until `now`.
void pass(Placement& placement, Nanos now, int wakes) {
  for (int i = 0; i < wakes; ++i) placement.woken();
  placement.review(now);
}

// Spends real time until then.
void spin_until(Nanos end) {
  timespec time;
  do {
    clock_gettime(CLOCK_MONOTONIC, &time);
  } while (Nanos{time.tv_sec} * 1'000'000'000 + time.tv_nsec < end);
}

Nanos clock_now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return Nanos{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

TEST("placement: who has work again and again keeps to one CPU, and lets go of it when there is little") {
  int one, other;
  if (!two_cpus("keeping to a CPU", one, other)) return;
  const cpu_set_t before = affinity();
  Placement placement(0, true);
  pass(placement, kWindow - 1, 40);
  CHECK_EQ(placement.home(), -1);  // too early
  pass(placement, kWindow, 0);
  CHECK(placement.home() >= 0);
  CHECK(same(affinity(), only(placement.home())));
  pass(placement, 2 * kWindow, 40);
  CHECK(same(affinity(), only(placement.home())));
  pass(placement, 102 * kWindow, 400);  // a second
  CHECK_EQ(placement.home(), -1);
  CHECK(same(affinity(), before));
}

TEST("placement: what somebody else decides about the thread is left alone") {
  int one, other;
  if (!two_cpus("leaving others' decisions alone", one, other)) return;
  const cpu_set_t before = affinity();
  Placement placement(0, true);
  pass(placement, kWindow, 40);
  const int away = placement.home() == one ? other : one;
  run_on(only(away));
  pass(placement, 200 * kWindow, 1);  // lets go
  CHECK(same(affinity(), only(away)));
  pass(placement, 201 * kWindow, 40);  // and there is nothing to choose
  CHECK_EQ(placement.home(), -1);
  CHECK(same(affinity(), only(away)));
  run_on(before);

  Placement bound(0, false);
  pass(bound, kWindow, 40);
  CHECK_EQ(bound.home(), -1);
  CHECK(same(affinity(), before));
}

TEST("placement: who never comes to the end of the work lets the system decide, for a second") {
  int one, other;
  if (!two_cpus("too much work", one, other)) return;
  const cpu_set_t before = affinity();
  const Nanos start = clock_now();
  Placement placement(start, true);
  pass(placement, start + kWindow, 40);
  CHECK(placement.home() >= 0);
  const Nanos end = clock_now() + 3 * kWindow;
  spin_until(end);
  pass(placement, end, 40);
  CHECK_EQ(placement.home(), -1);
  CHECK(same(affinity(), before));
  pass(placement, end + kWindow, 40);
  CHECK_EQ(placement.home(), -1);
  pass(placement, end + 101 * kWindow, 2000);
  CHECK(placement.home() >= 0);
  run_on(before);
}
