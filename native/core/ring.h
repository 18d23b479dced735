// A bounded queue from one thread to another, without locks: one writer, one reader.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "core/platform.h"

namespace overlane {

template <typename T, uint32_t Size>
class Ring {
  static_assert((Size & (Size - 1)) == 0);

 public:
  Ring() : slots_(Size) {}

  // The writer. False when full.
  bool push(const T& value) {
    const uint32_t head = head_.load(std::memory_order_relaxed);
    if (head - tail_.load(std::memory_order_acquire) == Size) return false;
    slots_[head % Size] = value;
    head_.store(head + 1, std::memory_order_release);
    return true;
  }
  // The reader. False when empty.
  bool pop(T& value) {
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail == head_.load(std::memory_order_acquire)) return false;
    value = slots_[tail % Size];
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }
  // Either.
  bool empty() const { return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire); }

 private:
  std::vector<T> slots_;
  alignas(kCacheLine) std::atomic<uint32_t> head_{0};
  alignas(kCacheLine) std::atomic<uint32_t> tail_{0};
};

}  // namespace overlane
