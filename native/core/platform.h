// What differs between compilers and CPUs, in one place.
#pragma once

#define OVERLANE_LIKELY(x) __builtin_expect(!!(x), 1)
#define OVERLANE_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define OVERLANE_INLINE inline __attribute__((always_inline))
#define OVERLANE_NOINLINE __attribute__((noinline))

// Compiles a loop once per instruction set and picks at load time. ThreadSanitizer crashes in the resolver, and
// clang 14 does not take the arch= form.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)
#define OVERLANE_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define OVERLANE_HAS_CLONES 1
#else
#define OVERLANE_CLONES
#define OVERLANE_HAS_CLONES 0
#endif

namespace overlane {

inline constexpr unsigned kCacheLine = 64;

OVERLANE_INLINE void prefetch_read(const void* address) {
  __builtin_prefetch(address, 0, 3);
}
OVERLANE_INLINE void prefetch_write(const void* address) {
  __builtin_prefetch(address, 1, 3);
}

}  // namespace overlane
