// Where FDB entries lie. A store has: locate (where to look, prefetched) and find, insert (nullptr: no slot), erase,
// scan (a hand that goes round and does what the visitor says; returns the slots it passed), each, size, slots, bytes.
// Copy MapStore to try another one.
#pragma once

#include <sys/mman.h>
#ifdef __SSE4_1__
#include <smmintrin.h>
#endif

#include <cstdint>
#include <new>
#include <unordered_map>

#include "core/platform.h"
#include "table/hash.h"

namespace overlane {

enum class Visit : uint8_t { keep, erase, erase_and_stop };

// Two candidate buckets of one cache line each: four keys, then their four values. Where both are full one entry moves
// to its other bucket. Half full at most, so that fails about once in a hundred million.
class BucketStore {
 public:
  BucketStore(uint32_t entries, uint64_t seed) : seed_(seed) {
    size_t buckets = 1;
    while (buckets * 2 < entries) buckets *= 2;
    mask_ = buckets - 1;
    void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    madvise(memory, bytes(), MADV_HUGEPAGE);
    buckets_ = static_cast<Bucket*>(memory);
  }
  ~BucketStore() { munmap(buckets_, bytes()); }
  BucketStore(const BucketStore&) = delete;
  BucketStore& operator=(const BucketStore&) = delete;

  OVERLANE_INLINE uint32_t locate(uint64_t key) const {
    const auto at = static_cast<uint32_t>(first(key));
    prefetch_read(&buckets_[at]);
    return at;
  }

  OVERLANE_INLINE uint64_t* find(uint64_t key, uint32_t at) const {
    Bucket& bucket = buckets_[at];
    unsigned match = bucket.match(key);
    if (OVERLANE_LIKELY(match != 0)) return &bucket.values[__builtin_ctz(match)];
    return find_second(key);
  }

  // nullptr: no slot.
  uint64_t* insert(uint64_t key) {
    const size_t candidates[] = {first(key), second(key)};
    for (size_t index : candidates) {
      if (uint64_t* value = put(index, key)) return value;
    }
    for (size_t index : candidates) {
      if (make_slot(buckets_[index], index)) return put(index, key);
    }
    return nullptr;
  }

  void erase(uint64_t key) {
    for (size_t index : {first(key), second(key)}) {
      unsigned match = buckets_[index].match(key);
      if (match == 0) continue;
      buckets_[index].keys[__builtin_ctz(match)] = 0;
      --size_;
      return;
    }
  }

  template <typename Visitor>
  size_t scan(size_t slots, Visitor visitor) {
    for (size_t passed = 0; passed < slots;) {
      Bucket& bucket = buckets_[hand_];
      hand_ = (hand_ + 1) & mask_;
      passed += kWays;
      for (unsigned way = 0; way < kWays; ++way) {
        if (bucket.keys[way] == 0) continue;
        const Visit visit = visitor(bucket.keys[way], bucket.values[way]);
        if (visit == Visit::keep) continue;
        bucket.keys[way] = 0;
        --size_;
        if (visit == Visit::erase_and_stop) return passed;
      }
    }
    return slots;
  }

  template <typename Visitor>
  void each(Visitor visit) const {
    for (size_t i = 0; i <= mask_; ++i) {
      for (unsigned way = 0; way < kWays; ++way) {
        if (buckets_[i].keys[way] != 0) visit(buckets_[i].keys[way], buckets_[i].values[way]);
      }
    }
  }

  size_t size() const { return size_; }
  size_t slots() const { return (mask_ + 1) * kWays; }
  size_t bytes() const { return (mask_ + 1) * sizeof(Bucket); }

 private:
  static constexpr unsigned kWays = 4;
  struct alignas(kCacheLine) Bucket {
    uint64_t keys[kWays];
    uint64_t values[kWays];
    // Bit w: way w holds the key. No branches: which way it is cannot be predicted.
    OVERLANE_INLINE unsigned match(uint64_t key) const {
#ifdef __SSE4_1__
      const __m128i wanted = _mm_set1_epi64x(static_cast<long long>(key));
      const auto* pairs = reinterpret_cast<const __m128i*>(keys);
      const __m128i low = _mm_cmpeq_epi64(_mm_load_si128(pairs), wanted);
      const __m128i high = _mm_cmpeq_epi64(_mm_load_si128(pairs + 1), wanted);
      return static_cast<unsigned>(_mm_movemask_pd(_mm_castsi128_pd(low)) | _mm_movemask_pd(_mm_castsi128_pd(high))
                                                                                << 2);
#else
      return (keys[0] == key) | (keys[1] == key) << 1 | (keys[2] == key) << 2 | (keys[3] == key) << 3;
#endif
    }
  };

  uint64_t* put(size_t index, uint64_t key) {
    Bucket& bucket = buckets_[index];
    const unsigned free = bucket.match(0);
    if (free == 0) return nullptr;
    const unsigned way = __builtin_ctz(free);
    bucket.keys[way] = key;
    ++size_;
    return &bucket.values[way];
  }

  // Moves one entry of a full bucket to its other bucket, if one of those has room.
  bool make_slot(Bucket& bucket, size_t index) {
    for (unsigned way = 0; way < kWays; ++way) {
      const uint64_t key = bucket.keys[way];
      const size_t other = first(key) == index ? second(key) : first(key);
      uint64_t* value = other == index ? nullptr : put(other, key);
      if (value == nullptr) continue;
      *value = bucket.values[way];
      bucket.keys[way] = 0;
      --size_;
      return true;
    }
    return false;
  }

  OVERLANE_INLINE size_t first(uint64_t key) const {
    return (hash64(key, seed_) >> 32) & mask_;
  }
  OVERLANE_INLINE size_t second(uint64_t key) const {
    return (hash64(key, ~seed_) >> 32) & mask_;
  }

  OVERLANE_NOINLINE uint64_t* find_second(uint64_t key) const {
    Bucket& bucket = buckets_[second(key)];
    unsigned match = bucket.match(key);
    return match != 0 ? &bucket.values[__builtin_ctz(match)] : nullptr;
  }

  uint64_t seed_;
  size_t mask_;
  size_t size_ = 0;
  size_t hand_ = 0;
  Bucket* buckets_;
};

// The standard library's map: the reference that the others are tested against and measured by. Allocates.
class MapStore {
 public:
  MapStore(uint32_t entries, uint64_t seed) : map_(0, Hash{seed}), capacity_(entries) { map_.reserve(entries); }

  uint32_t locate(uint64_t) const { return 0; }
  uint64_t* find(uint64_t key, uint32_t) const {
    auto found = map_.find(key);
    return found == map_.end() ? nullptr : &found->second;
  }
  uint64_t* insert(uint64_t key) { return &map_[key]; }
  void erase(uint64_t key) { map_.erase(key); }

  template <typename Visitor>
  size_t scan(size_t slots, Visitor visitor) {
    for (size_t passed = 1; passed <= slots; ++passed) {
      const size_t bucket = hand_;
      hand_ = (hand_ + 1) % map_.bucket_count();
      for (auto at = map_.begin(bucket); at != map_.end(bucket);) {
        const auto entry = at++;
        const Visit visit = visitor(entry->first, entry->second);
        if (visit != Visit::keep) map_.erase(entry->first);
        if (visit == Visit::erase_and_stop) return passed;
      }
    }
    return slots;
  }

  template <typename Visitor>
  void each(Visitor visit) const {
    for (const auto& [key, value] : map_) visit(key, value);
  }

  size_t size() const { return map_.size(); }
  size_t slots() const { return map_.bucket_count(); }
  size_t bytes() const { return map_.bucket_count() * sizeof(void*) + capacity_ * 4 * sizeof(void*); }

 private:
  struct Hash {
    uint64_t seed;
    size_t operator()(uint64_t key) const { return hash64(key, seed) >> 32; }
  };
  mutable std::unordered_map<uint64_t, uint64_t, Hash> map_;
  size_t capacity_;
  size_t hand_ = 0;
};

}  // namespace overlane
