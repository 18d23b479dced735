// Features of x86 CPUs that Intel's library asks for; none elsewhere.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace overlane {

enum CpuFeature : uint32_t {
  kCpuAes = 1 << 0,     // with PCLMULQDQ and SSE 4.2
  kCpuAvx = 1 << 1,     // usable: the kernel saves its registers
  kCpuAvx2 = 1 << 2,    // with BMI2
  kCpuAvx512 = 1 << 3,  // F, DQ, CD, BW and VL
  kCpuVaes = 1 << 4,    // with VPCLMULQDQ
};

inline uint32_t cpu_features() {
  uint32_t found = 0;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.2")) {
    found |= kCpuAes;
  }
  if (__builtin_cpu_supports("avx")) found |= kCpuAvx;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) found |= kCpuAvx2;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    found |= kCpuAvx512;
  }
  // clang 14 has no name for VAES.
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kVaes = 1 << 9, kVpclmulqdq = 1 << 10;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (c & kVaes) != 0 && (c & kVpclmulqdq) != 0) found |= kCpuVaes;
#endif
  return found;
}

}  // namespace overlane
