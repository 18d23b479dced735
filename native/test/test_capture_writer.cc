// The capture writer: its bytes, what the reader makes of them, and a disk that fills up.
#include <signal.h>
#include <sys/resource.h>

#include <string>

#include "port/capture_writer.h"
#include "test/capture_maker.h"

using namespace overlane;
using namespace overlane::capture_test;

TEST("capture: the writer's bytes are exactly these") {
  const TempFile file;
  CaptureWriter writer;
  CHECK(writer.open(file.path()));
  const Bytes data = frame_of(5);
  CHECK(writer.write(data.data(), 5, 90, 0x1122334455667788));
  CHECK(writer.write(data.data(), 4, 0, -1));
  CHECK(writer.close());
  Maker m;
  m.section().interface(1, 0, m.sub().raw(m.option(9, 9, 1)).p32(0).bytes);
  m.packet(0, 0x1122334455667788, data, 90).packet(0, 0, frame_of(4), 4);
  CHECK(file.bytes() == m.bytes);
}

TEST("capture: what the writer writes, the reader reads") {
  const TempFile file;
  CaptureWriter writer;
  CHECK(writer.open(file.path()));
  std::vector<Seen> expected;
  for (uint32_t i = 0; i < 3000; i++) {
    const uint32_t size = i % 1000 == 999 ? CaptureReader::kMaxFrame : i * 7 % 1519;
    expected.push_back({frame_of(size, static_cast<uint8_t>(i)), size + i % 2, 1'700'000'000'000'000'001 + i, 1});
    CHECK(writer.write(expected.back().data.data(), size, expected.back().wire, expected.back().time));
  }
  CHECK(writer.close());
  CHECK(writer.close());
  CaptureReader reader;
  CHECK(reader.open(file.path()));
  CHECK(drain(reader) == expected);
  CHECK_EQ(reader.error_code(), kCaptureOk);
}

TEST("capture: a full disk leaves whole packets only, and the failure stays") {
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ::getrlimit(RLIMIT_FSIZE, &before);
  for (const uint32_t limit : {61u, 299'999u, 310'858u, 310'860u, 1'000'003u}) {
    const TempFile file;
    const rlimit small{limit, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
    CaptureWriter writer;
    CHECK(writer.open(file.path()));
    const Bytes data = frame_of(1001);
    uint64_t accepted = 0;
    while (accepted < 5000 && writer.write(data.data(), 1001, 1001, 1)) accepted++;
    ::setrlimit(RLIMIT_FSIZE, &before);
    CHECK(accepted < 5000);
    CHECK(!writer.write(data.data(), 1001, 1001, 1));
    CHECK(!writer.flush());
    CHECK(!writer.close());
    CHECK_EQ(writer.error_code(), kCaptureSystem);

    CaptureReader reader;
    CHECK(reader.open(file.path()));
    const size_t kept = drain(reader).size();
    CHECK_EQ(reader.error_code(), kCaptureOk);
    CHECK_EQ(kept, (limit - 60) / 1036);
    CHECK(std::string(writer.error()).find("holds the first " + std::to_string(kept) + " packets") !=
          std::string::npos);
  }
}
