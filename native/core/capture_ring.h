// Copies of packets on their way from a worker to whoever captures: a ring of bytes with one writer and one reader,
// without locks. A full ring loses copies, never packets; what is lost is counted, in all and between two copies.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/platform.h"
#include "core/time.h"

namespace overlane {

// As the flags of a pcapng packet have them (draft-ietf-opsawg-pcapng, section 4.3).
enum class Direction : uint32_t { received = 1, transmitted = 2 };

class CaptureRing {
 public:
  struct Record {  // the bytes follow
    Nanos time;
    uint32_t length;
    uint32_t wire_length;
    uint32_t lost;  // copies lost between the one before and this one; stops at the largest number
    Direction direction;

    const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(this + 1); }
  };

  // bytes: rounded up to a power of two. Throws std::bad_alloc.
  CaptureRing(size_t bytes, uint32_t snaplen)
      : mask_(std::bit_ceil(std::max(bytes, kLeast)) - 1), snaplen_(snaplen), bytes_(new uint8_t[mask_ + 1]()) {}

  // The writer. A copy of `length` bytes, less what snaplen leaves out; where it goes. nullptr: no room, and counted.
  uint8_t* add(Nanos time, uint32_t length, uint32_t wire_length, Direction direction) {
    const uint32_t kept = std::min(length, snaplen_);
    const uint64_t size = size_of(kept);
    const uint64_t left = left_at(write_);
    const uint64_t start = left < size ? write_ + left : write_;  // a copy lies in one piece
    if (start + size - free_from_ > mask_ + 1) {
      free_from_ = tail_.load(std::memory_order_acquire);
      if (start + size - free_from_ > mask_ + 1) return lose();
    }
    if (start != write_ && left >= sizeof(Record)) at(write_)->length = kSkip;
    *at(start) = {time, kept, wire_length, lost_since_, direction};
    lost_since_ = 0;
    write_ = start + size;
    return reinterpret_cast<uint8_t*>(at(start) + 1);
  }
  uint32_t snaplen() const { return snaplen_; }
  // What was added is complete.
  void publish() { head_.store(write_, std::memory_order_release); }

  // The reader. next() gives copies up to what had been published at the last look(); they stay until release().
  void look() { seen_ = head_.load(std::memory_order_acquire); }
  const Record* next() {
    if (read_ == seen_) return nullptr;
    const uint64_t left = left_at(read_);
    if (left < sizeof(Record) || at(read_)->length == kSkip) read_ += left;
    return at(read_);
  }
  // Goes past what next() gave.
  void advance() { read_ += size_of(at(read_)->length); }
  void release() { tail_.store(read_, std::memory_order_release); }

  // Any thread.
  bool empty() const { return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire); }
  uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint32_t kSkip = UINT32_MAX;  // as a length: the next copy is at the beginning
  static constexpr size_t kLeast = 1024;
  static_assert(sizeof(Record) == 24 && alignof(Record) == 8);

  static uint64_t size_of(uint32_t length) { return sizeof(Record) + (uint64_t{length} + 7) / 8 * 8; }
  uint64_t left_at(uint64_t position) const { return mask_ + 1 - (position & mask_); }
  Record* at(uint64_t position) { return reinterpret_cast<Record*>(bytes_.get() + (position & mask_)); }
  uint8_t* lose() {
    if (lost_since_ != UINT32_MAX) ++lost_since_;
    lost_.store(lost() + 1, std::memory_order_relaxed);
    return nullptr;
  }

  // Positions count all bytes ever written.
  const uint64_t mask_;
  const uint32_t snaplen_;
  const std::unique_ptr<uint8_t[]> bytes_;
  alignas(kCacheLine) std::atomic<uint64_t> head_{0};  // the writer's
  std::atomic<uint64_t> lost_{0};
  uint64_t write_ = 0;
  uint64_t free_from_ = 0;  // the tail as the writer saw it last
  uint32_t lost_since_ = 0;
  alignas(kCacheLine) std::atomic<uint64_t> tail_{0};  // the reader's
  uint64_t read_ = 0;
  uint64_t seen_ = 0;
};

}  // namespace overlane
