#include "offload/copy.h"

#include <cstring>

#include "core/bytes.h"

namespace overlane {

namespace {

template <typename T>
OVERLANE_INLINE T copy(uint8_t* to, const uint8_t* from) {
  const T value = load<T>(from);
  store(to, value);
  return value;
}

}  // namespace

// Two lanes of 32 bytes, each as four 64-bit words whose halves are summed apart. Both are loaded before one is stored,
// and addresses ascend: what is still to be read is never overwritten.
OVERLANE_CLONES
uint64_t checksum_copy(uint8_t* to, const uint8_t* from, size_t length, uint64_t sum) {
  using Lane = uint64_t __attribute__((vector_size(32)));
  Lane low = {}, high = {}, low2 = {}, high2 = {};
  const uint8_t* end = from + length;
  for (; end - from >= 64; from += 64, to += 64) {
    Lane a, b;
    std::memcpy(&a, from, sizeof a);  // load() would return a vector, which has no stable ABI without AVX
    std::memcpy(&b, from + 32, sizeof b);
    std::memcpy(to, &a, sizeof a);
    std::memcpy(to + 32, &b, sizeof b);
    low += a & 0xffffffff;
    high += a >> 32;
    low2 += b & 0xffffffff;
    high2 += b >> 32;
  }
  const Lane all = low + high + low2 + high2;
  sum += all[0] + all[1] + all[2] + all[3];
  for (; end - from >= 8; from += 8, to += 8) {
    const auto word = copy<uint64_t>(to, from);
    sum += (word & 0xffffffff) + (word >> 32);
  }
  if (end - from >= 4) {
    sum += copy<uint32_t>(to, from);
    from += 4;
    to += 4;
  }
  if (end - from >= 2) {
    sum += copy<uint16_t>(to, from);
    from += 2;
    to += 2;
  }
  if (from != end) sum += copy<uint8_t>(to, from);
  return sum;
}

}  // namespace overlane
