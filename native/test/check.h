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

#define CHECK_EQ(left, right)                                                                              \
  do {                                                                                                     \
    const auto& check_left = (left);                                                                       \
    const auto& check_right = (right);                                                                     \
    if (!(check_left == check_right)) {                                                                    \
      overlane::test::fail(                                                                                \
          __FILE__, __LINE__,                                                                              \
          #left " is " + overlane::test::show(check_left) + ", not " + overlane::test::show(check_right)); \
    }                                                                                                      \
  } while (0)
