// A hash map of fixed capacity: linear probing, no allocation after the constructor, deletion by shifting back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/platform.h"

namespace overlane {

// Key needs operator== and hash(seed); capacity is what it holds at most, the slots are at least twice that.
template <typename Key, typename Value>
class FlatMap {
 public:
  struct Slot {
    Key key;
    Value value;
    bool used = false;
  };

  FlatMap(size_t capacity, uint64_t seed) : seed_(seed) { reserve(capacity); }

  // Raises the capacity; allocates, so for configuration only.
  void reserve(size_t capacity) {
    capacity_ = capacity;
    size_t slots = 4;
    while (slots < capacity * 2) slots *= 2;
    std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
    mask_ = slots - 1;
    size_ = 0;
    for (const Slot& slot : old) {
      if (slot.used) *insert(slot.key) = slot.value;
    }
  }

  Value* find(const Key& key) {
    for (size_t i = home(key);; i = (i + 1) & mask_) {
      if (!slots_[i].used) return nullptr;
      if (slots_[i].key == key) return &slots_[i].value;
    }
  }

  // The value of the key, new or not; nullptr when the map is full and the key is not in it.
  Value* insert(const Key& key) {
    size_t i = home(key);
    for (; slots_[i].used; i = (i + 1) & mask_) {
      if (slots_[i].key == key) return &slots_[i].value;
    }
    if (size_ == capacity_) return nullptr;
    slots_[i] = Slot{key, Value{}, true};
    ++size_;
    return &slots_[i].value;
  }

  // Sets the value of the key, and makes room where there is none. Allocates then: who calls it bounds the keys.
  void put(const Key& key, const Value& value) {
    Value* at = insert(key);
    if (at == nullptr) {
      reserve(capacity_ * 2);
      at = insert(key);
    }
    *at = value;
  }

  bool erase(const Key& key) {
    size_t hole = home(key);
    for (;; hole = (hole + 1) & mask_) {
      if (!slots_[hole].used) return false;
      if (slots_[hole].key == key) break;
    }
    for (size_t i = (hole + 1) & mask_; slots_[i].used; i = (i + 1) & mask_) {
      size_t distance_to_hole = (i - hole) & mask_;
      size_t distance_to_home = (i - home(slots_[i].key)) & mask_;
      if (distance_to_home >= distance_to_hole) {
        slots_[hole] = slots_[i];
        hole = i;
      }
    }
    slots_[hole].used = false;
    --size_;
    return true;
  }

  template <typename Visit>
  void each(Visit visit) const {
    for (const Slot& slot : slots_) {
      if (slot.used) visit(slot.key, slot.value);
    }
  }

  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }

 private:
  size_t home(const Key& key) const { return (key.hash(seed_) >> 32) & mask_; }

  uint64_t seed_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  size_t mask_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace overlane
