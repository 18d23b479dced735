// The anti-replay window of an SA (RFC 4303, section 3.4.3; kept as RFC 6479 says, so that it moves without shifting).
#pragma once

#include <cstdint>

#include "core/platform.h"

namespace overlane {

class ReplayWindow {
 public:
  static constexpr uint32_t kSize = 2048;  // packets

  // The 64-bit number whose low half was received: the one nearest to the window (RFC 4303, appendix A2.1). Before the
  // first 2^32 there is nothing to go back to.
  uint64_t infer(uint32_t low) const {
    const uint64_t high = top_ >> 32;
    const auto bottom = static_cast<uint32_t>(top_ - kSize + 1);  // low half of the oldest number in the window
    if (static_cast<uint32_t>(top_) >= kSize - 1) return (low >= bottom ? high : high + 1) << 32 | low;
    return (low >= bottom && high != 0 ? high - 1 : high) << 32 | low;
  }

  // Whether the number is new. After authentication only. 0 is no number: senders begin with 1.
  bool is_new(uint64_t sequence) const {
    if (sequence > top_) return true;
    if (sequence == 0 || top_ - sequence >= kSize) return false;
    return (words_[word_of(sequence)] >> (sequence & 63) & 1) == 0;
  }

  // Notes a number that is_new().
  void note(uint64_t sequence) {
    if (sequence > top_) {
      const uint64_t from = top_ >> 6, to = sequence >> 6;
      const uint64_t moved = to - from < kArray ? to - from : kArray;
      for (uint64_t i = 1; i <= moved; ++i) words_[(from + i) & (kArray - 1)] = 0;
      top_ = sequence;
    }
    words_[word_of(sequence)] |= uint64_t{1} << (sequence & 63);
  }

  uint64_t top() const { return top_; }

 private:
  static constexpr uint32_t kWords = kSize / 64 + 1;  // one more than the window, which is cleared as it moves
  static constexpr uint32_t kArray = 64;              // a power of two above kWords
  static_assert(kWords <= kArray);

  static uint32_t word_of(uint64_t sequence) { return sequence >> 6 & (kArray - 1); }

  uint64_t top_ = 0;
  uint64_t words_[kArray] = {};
};

}  // namespace overlane
