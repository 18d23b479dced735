// Runs every test, or those whose name contains the argument; the last line is `N passed, N failed`.
#include <cstring>

#include "test/check.h"

namespace overlane::test {

static int failures_in_case = 0;

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

void fail(const char* file, int line, const char* what) {
  ++failures_in_case;
  std::cerr << "  " << file << ':' << line << ": " << what << '\n';
}

void fail(const char* file, int line, const std::string& what) {
  fail(file, line, what.c_str());
}

}  // namespace overlane::test

int main(int argc, char** argv) {
  using namespace overlane::test;
  int passed = 0;
  int failed = 0;
  for (const Case& test : cases()) {
    if (argc > 1 && std::strstr(test.name, argv[1]) == nullptr) continue;
    failures_in_case = 0;
    test.run();
    (failures_in_case == 0 ? passed : failed) += 1;
    std::cout << (failures_in_case == 0 ? "ok    " : "FAIL  ") << test.name << '\n';
  }
  std::cout << passed << " passed, " << failed << " failed\n";
  return failed == 0 && passed > 0 ? 0 : 1;
}
