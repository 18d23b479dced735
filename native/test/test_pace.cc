// When a worker goes on polling.
#include "engine/pace.h"
#include "test/check.h"

using namespace overlane;

namespace {

constexpr Nanos kSpin = 20'000;

// The time after `count` bursts, `gap` apart.
Nanos bursts(Pace& pace, Nanos now, uint32_t count, Nanos gap) {
  for (uint32_t i = 0; i < count; ++i) pace.burst(now += gap);
  return now;
}

}  // namespace

TEST("pace: after a lone packet a worker sleeps at once") {
  Pace pace(kSpin, 0);
  const Nanos now = bursts(pace, 0, 1000, 12'000'000);
  CHECK(!pace.spins(now));
  // Its answer, too.
  pace.burst(now + 30'000);
  CHECK(!pace.spins(now + 30'000));
}

TEST("pace: under load it polls, for `spin` from the beginning of the last burst") {
  Pace pace(kSpin, 0);
  const Nanos now = bursts(pace, 3'600'000'000'000, 30, kSpin);
  CHECK(pace.spins(now));
  CHECK(pace.spins(now + kSpin - 1));
  CHECK(!pace.spins(now + kSpin));
  // A pause of an hour is forgotten as fast as one of milliseconds.
  CHECK(pace.spins(bursts(pace, now + 3'600'000'000'000, 30, kSpin)));
}

TEST("pace: a clock that goes back, and no spin at all") {
  Pace pace(kSpin, 1'000'000'000);
  const Nanos now = bursts(pace, 0, 30, kSpin);
  CHECK(pace.spins(now));
  Pace never(0, 0);
  CHECK(!never.spins(bursts(never, 0, 100, 1)));
}
