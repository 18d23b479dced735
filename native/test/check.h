// The test frame of the native core: TEST("room: what it shows") { CHECK(…); CHECK_EQ(a, b); }
#pragma once

#include <cstdint>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

namespace overlane::test {

struct Case {
  const char* name;
  void (*run)();
};
std::vector<Case>& cases();
struct Register {
  Register(const char* name, void (*run)()) { cases().push_back({name, run}); }
};
void fail(const char* file, int line, const char* what);
void fail(const char* file, int line, const std::string& what);

template <typename T>
std::string show(const T& value) {
  std::ostringstream out;
  if constexpr (std::is_enum_v<T>) {
    out << static_cast<long long>(value);
  } else if constexpr (sizeof(T) == 1 && std::is_integral_v<T>) {
    out << static_cast<int>(value);
  } else {
    out << value;
  }
  return out.str();
}

// One function a pair of types: what it does written at every CHECK_EQ would be most of the compiler's work.
template <typename Left, typename Right>
[[gnu::noinline]] void check_equal(const char* file, int line, const char* text, const Left& left, const Right& right) {
  if (left == right) return;
  fail(file, line, std::string(text) + " is " + show(left) + ", not " + show(right));
}

}  // namespace overlane::test

#define TEST_JOIN2(a, b) a##b
#define TEST_JOIN(a, b) TEST_JOIN2(a, b)
#define TEST(name)                                                                                        \
  static void TEST_JOIN(test_, __LINE__)();                                                               \
  static const overlane::test::Register TEST_JOIN(register_, __LINE__)(name, TEST_JOIN(test_, __LINE__)); \
  static void TEST_JOIN(test_, __LINE__)()

#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) overlane::test::fail(__FILE__, __LINE__, "not true: " #condition); \
  } while (0)

#define CHECK_EQ(left, right) overlane::test::check_equal(__FILE__, __LINE__, #left, (left), (right))
