// How much a live dataplane carries at a time.
#include "test/lab.h"

using namespace overlane;
using namespace overlane::test;

namespace {

constexpr uint32_t kLong = 60'000;

uint32_t serve(Lab& lab, uint16_t port, bool& more) {
  const uint32_t received = lab.dataplane.serve(port, more);
  lab.settled();
  return received;
}

}  // namespace

TEST("burst: super-frames are carried a few at a time, and small packets many, as soon as they come") {
  DataplaneOptions options;
  options.live = true;
  options.large_packets = 256;
  Lab lab(options);
  const uint16_t a = lab.port(), b = lab.port();
  lab.bridge({a, b});
  const Bytes super = udp_frame(mac(2), mac(1), 1, 2, kLong);
  const Bytes small = udp_frame(mac(2), mac(1), 1, 2);
  bool more = false;
  for (int i = 0; i < 100; ++i) lab.inject(a, super);
  CHECK_EQ(serve(lab, a, more), 64u);
  CHECK(more);
  CHECK_EQ(serve(lab, a, more), 4u);  // 256 KiB
  CHECK(more);
  uint32_t rest = 0;
  while (more) rest += serve(lab, a, more);
  CHECK_EQ(rest, 32u);
  CHECK_EQ(lab.drain(b).size(), 100u);

  for (int i = 0; i < 100; ++i) lab.inject(a, small);
  CHECK(serve(lab, a, more) <= 64u);
  CHECK_EQ(serve(lab, a, more), 64u);
  while (more) serve(lab, a, more);
  CHECK_EQ(lab.drain(b).size(), 100u);
}
