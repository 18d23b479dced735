#include <algorithm>
#include <random>
#include <set>

#include "crypto/replay.h"
#include "test/check.h"

using namespace overlane;

namespace {

constexpr uint64_t kSize = ReplayWindow::kSize;
constexpr uint64_t k32 = uint64_t{1} << 32;

// The window as one would tell it.
struct Naive {
  std::set<uint64_t> seen;
  uint64_t top = 0;
  bool is_new(uint64_t n) const { return n != 0 && n + kSize > top && !seen.contains(n); }
  void note(uint64_t n) {
    seen.insert(n);
    top = std::max(top, n);
  }
};

struct Both {
  ReplayWindow window;
  Naive naive;
  int wrong = 0;

  bool take(uint64_t n) {
    const bool is_new = window.is_new(n);
    wrong += is_new != naive.is_new(n);
    if (is_new) {
      window.note(n);
      naive.note(n);
      wrong += window.is_new(n);
    }
    wrong += window.top() != naive.top;
    return is_new;
  }
  void compare(uint64_t from, uint64_t to) {
    for (uint64_t n = from; n <= to; ++n) wrong += window.is_new(n) != naive.is_new(n);
  }
};

// The smallest number with that low half that is not behind the window.
uint64_t naive_infer(uint64_t top, uint32_t low) {
  const uint64_t bottom = top < kSize - 1 ? 0 : top - (kSize - 1);
  uint64_t n = (bottom & ~(k32 - 1)) | low;
  return n < bottom ? n + k32 : n;
}

}  // namespace

TEST("replay: the first packets, in order, twice, and 0") {
  Both both;
  CHECK(!both.take(0));
  for (uint64_t n = 1; n <= 5000; ++n) CHECK(both.take(n));
  for (uint64_t n = 0; n <= 5000; ++n) CHECK(!both.take(n));
  CHECK_EQ(both.wrong, 0);
}

TEST("replay: the oldest number of the window, and the one behind it") {
  for (uint64_t top : {kSize, kSize + 1, kSize + 63, kSize + 64, 3 * kSize + 17, k32 + 5}) {
    ReplayWindow window;
    window.note(top);
    if (top > kSize) CHECK(!window.is_new(top - kSize));
    CHECK(window.is_new(top - kSize + 1));
    window.note(top - kSize + 1);
    CHECK(!window.is_new(top - kSize + 1));
    CHECK(window.is_new(top - kSize + 2) && !window.is_new(top) && window.is_new(top + 1));
  }
}

TEST("replay: after a jump of any width nothing old is forgotten and nothing new is refused") {
  int wrong = 0;
  for (uint64_t from : {uint64_t{1}, uint64_t{60}, uint64_t{64}, 2 * kSize + 31, k32 - 1000}) {
    for (uint64_t jump = 1; jump <= 4 * kSize + 70; jump += jump < 200 ? 1 : 61) {
      Both both;
      for (uint64_t n = from; n < from + 130; n += 3) both.take(n);
      both.take(from + 129 + jump);
      const uint64_t top = both.window.top();
      both.compare(top > 4300 ? top - 4300 : 0, top + 70);
      wrong += both.wrong;
    }
  }
  CHECK_EQ(wrong, 0);
}

TEST("replay: every order of a few numbers around the words' and the window's edges") {
  const uint64_t edges[] = {1, 63, 64, kSize - 1, kSize, kSize + 1, 2 * kSize + 63};
  int wrong = 0;
  uint64_t order[7];
  std::copy(std::begin(edges), std::end(edges), order);
  do {
    Both both;
    for (uint64_t n : order) both.take(n);
    for (uint64_t n : order) both.take(n);
    wrong += both.wrong;
  } while (std::next_permutation(std::begin(order), std::end(order)));
  CHECK_EQ(wrong, 0);
}

TEST("replay: numbers at random, near and far") {
  std::mt19937_64 random(11);
  Both both;
  uint64_t at = k32 - 100'000;
  for (int i = 0; i < 400'000; ++i) {
    const uint64_t kind = random() % 100;
    if (kind < 60) at += random() % 3;
    if (kind == 60) at += random() % 5000;
    const uint64_t back = kind < 90 ? random() % 70 : random() % 4500;
    both.take(at - back);
    if (both.naive.seen.size() > 10'000) both.naive.seen.erase(both.naive.seen.begin());
  }
  CHECK_EQ(both.wrong, 0);
  CHECK(at > k32);  // the low half wrapped
}

TEST("replay: the high half follows from the low one") {
  int wrong = 0;
  for (uint64_t high : {uint64_t{0}, uint64_t{1}, uint64_t{7}}) {
    for (uint64_t low_top : {uint64_t{1}, uint64_t{64}, kSize - 2, kSize - 1, kSize, kSize + 1, uint64_t{1} << 31,
                             k32 - kSize - 1, k32 - kSize, k32 - kSize + 1, k32 - 2, k32 - 1}) {
      const uint64_t top = high << 32 | low_top;
      ReplayWindow window;
      window.note(top);
      for (uint64_t near = 0; near < 3 * kSize; ++near) {  // both sides of everything that matters
        for (uint64_t low :
             {low_top + near, low_top - near, near, k32 - 1 - near, low_top + (uint64_t{1} << 31) + near}) {
          wrong += window.infer(static_cast<uint32_t>(low)) != naive_infer(top, static_cast<uint32_t>(low));
        }
      }
    }
  }
  CHECK_EQ(wrong, 0);
  ReplayWindow fresh;
  CHECK_EQ(fresh.infer(1), 1u);
  CHECK_EQ(fresh.infer(UINT32_MAX), uint64_t{UINT32_MAX});
}

TEST("replay: a sender passes 2^32 in order, and late packets from before are known") {
  ReplayWindow window;
  uint64_t lost = 0;
  for (uint64_t n = k32 - 5000; n < k32 + 5000; ++n) {
    const uint64_t inferred = window.infer(static_cast<uint32_t>(n));
    lost += inferred != n || !window.is_new(inferred);
    window.note(inferred);
    const uint64_t late = n < k32 - 5000 + kSize ? n : n - kSize + 1;
    lost += window.infer(static_cast<uint32_t>(late)) != late || window.is_new(late);
  }
  CHECK_EQ(lost, 0u);
  CHECK_EQ(window.top(), k32 + 4999);
}
