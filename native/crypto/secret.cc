#include "crypto/secret.h"

#include <sys/mman.h>

#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include "core/platform.h"
#include "crypto/wipe.h"

namespace overlane {

namespace {

constexpr size_t kChunk = 256 * 1024;  // bytes mapped at once

// Hands out blocks of whole cache lines, and keeps what comes back for the next of that size: there are few sizes.
// Pages stay mapped until the process ends.
class Arena {
 public:
  void* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    std::vector<void*>& blocks = free_[bytes];
    if (!blocks.empty()) {
      void* block = blocks.back();
      blocks.pop_back();
      return block;
    }
    // Room for this block's way back, so that giving cannot fail.
    blocks.reserve(++made_[bytes]);
    if (left_ < bytes) map(bytes);
    void* block = next_;
    next_ += bytes;
    left_ -= bytes;
    return block;
  }

  void give(void* block, size_t bytes) {
    wipe(block, bytes);
    const std::lock_guard lock(mutex_);
    free_.find(bytes)->second.push_back(block);
  }

 private:
  // Not MADV_WIPEONFORK: a child that went on would seal with a key of zeros, and know nothing of it.
  void map(size_t bytes) {
    const size_t size = (bytes + kChunk - 1) / kChunk * kChunk;
    void* pages = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    madvise(pages, size, MADV_DONTDUMP);
    (void)mlock(pages, size);  // as far as RLIMIT_MEMLOCK goes
    next_ = static_cast<uint8_t*>(pages);
    left_ = size;
  }

  std::mutex mutex_;
  uint8_t* next_ = nullptr;
  size_t left_ = 0;
  std::map<size_t, std::vector<void*>> free_;  // by size
  std::map<size_t, size_t> made_;
};

// Never destroyed: objects that outlive main() may hold keys.
Arena& arena() {
  static auto* all = new Arena;
  return *all;
}

size_t whole_lines(size_t bytes) {
  return bytes == 0 ? kCacheLine : (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
}

}  // namespace

void wipe(void* memory, size_t bytes) {
  std::memset(memory, 0, bytes);
  asm volatile("" : : "r"(memory) : "memory");  // or the compiler sees that nobody reads it
}

void* take_secret(size_t bytes) {
  return arena().take(whole_lines(bytes));
}

void give_secret(void* memory, size_t bytes) {
  if (memory != nullptr) arena().give(memory, whole_lines(bytes));
}

Secret::Secret(const uint8_t* bytes, uint32_t length)
    : bytes_(static_cast<uint8_t*>(take_secret(length))), length_(length) {
  if (length != 0) std::memcpy(bytes_, bytes, length);
}

Secret::~Secret() {
  give_secret(bytes_, length_);
}

}  // namespace overlane
