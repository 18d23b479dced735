// Memory for keys: left out of core files, not swapped where the system permits it, wiped when it is given back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace overlane {

// Aligned to 64 bytes, zeroed. Throws std::bad_alloc.
void* take_secret(size_t bytes);
void give_secret(void* memory, size_t bytes);

// Bytes that only their owner sees; shared between workers, which only read them.
class Secret {
 public:
  Secret(const uint8_t* bytes, uint32_t length);
  ~Secret();
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  const uint8_t* data() const { return bytes_; }
  uint32_t length() const { return length_; }

 private:
  uint8_t* bytes_;
  uint32_t length_;
};
using SharedSecret = std::shared_ptr<const Secret>;

}  // namespace overlane
