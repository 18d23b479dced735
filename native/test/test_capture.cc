// The capture reader on good files: both formats, both byte orders, every kind of packet, files and pipes.
#include <unistd.h>

#include <string>
#include <thread>

#include "test/capture_maker.h"

using namespace overlane;
using namespace overlane::capture_test;

TEST("capture: pcap in either byte order, micro- and nanoseconds, modified records") {
  for (const bool big : {false, true}) {
    CHECK(read_all(small_pcap(big)).frames == small_frames());
    const Bytes nanos = Maker{big}.pcap(0xa1b23c4d).record(5, 6, frame_of(4), 4).bytes;
    CHECK(read_all(nanos).frames == (std::vector<Seen>{{frame_of(4), 4, 5'000'000'006, 1}}));
    const Bytes modified = Maker{big}
                               .pcap(0xa1b2cd34)
                               .p32(5)
                               .p32(6)
                               .p32(4)
                               .p32(60)
                               .p64(77)
                               .raw(frame_of(4))
                               .record(0, 0, {}, 0)
                               .p64(0)
                               .bytes;
    CHECK(read_all(modified).frames == (std::vector<Seen>{{frame_of(4), 60, 5'000'006'000, 1}, {{}, 0, 0, 1}}));
  }
}

TEST("capture: pcap seconds are unsigned, a large fraction carries, a wire length is never below the length") {
  const Result r = read_all(Maker{}
                                .pcap(0xa1b2c3d4)
                                .record(0xffffffff, 0, frame_of(1), 1)
                                .record(5, 3'000'000, frame_of(1), 1)
                                .record(0, 0xffffffff, frame_of(34), 32)
                                .bytes);
  CHECK_EQ(r.frames.size(), 3u);
  CHECK_EQ(r.frames[0].time, 4'294'967'295'000'000'000);
  CHECK_EQ(r.frames[1].time, 8'000'000'000);
  CHECK_EQ(r.frames[2].time, 4'294'967'295'000);
  CHECK_EQ(r.frames[2].wire, 34u);
}

TEST("capture: pcap versions before 2.4 have the lengths in the other order") {
  for (const unsigned minor : {2u, 3u}) {
    const Bytes old = Maker{}.pcap(0xa1b2c3d4, 1, minor).p64(0).p32(60).p32(10).raw(frame_of(10)).bytes;
    CHECK(read_all(old).frames == (std::vector<Seen>{{frame_of(10), 60, 0, 1}}));
  }
}

TEST("capture: the FCS bits of a pcap link type are no link type, reserved bits are refused") {
  CaptureReader reader;
  const Bytes fcs = Maker{}.pcap(0xa1b2c3d4, 0x24000001).bytes;
  CHECK(reader.open_memory(fcs.data(), fcs.size()));
  CHECK_EQ(reader.link_type(), 1u);
  CHECK_EQ(read_all(Maker{}.pcap(0xa1b2c3d4, 0x00010001).bytes).code, kCaptureUnsupported);
}

TEST("capture: pcapng in either byte order, other blocks passed over, byte order changing between sections") {
  for (const bool big : {false, true}) {
    CHECK(read_all(small_pcapng(big)).frames == small_frames());
    Bytes two = small_pcapng(big);
    const Bytes other = small_pcapng(!big);
    two.insert(two.end(), other.begin(), other.end());
    std::vector<Seen> expected = small_frames();
    for (const Seen& seen : small_frames()) expected.push_back(seen);
    const Result r = read_all(two);
    CHECK(r.frames == expected);
    CHECK_EQ(r.code, kCaptureOk);
  }
}

TEST("capture: pcapng simple and obsolete packets, interfaces with link types of their own") {
  for (const bool big : {false, true}) {
    Maker m{big};
    m.section().interface(1, 10).interface(113, 0, m.option(9, 0x8a, 1));
    m.block(3, m.sub().p32(20).raw(frame_of(10)));
    m.block(2, m.sub().p16(1).p16(7).p32(0).p32(2048).p32(5).p32(30).raw(frame_of(5)));
    m.packet(1, 512, frame_of(2), 2);
    m.section().interface(1).block(3, m.sub().p32(3).raw(frame_of(3)));
    CHECK(read_all(m.bytes).frames == (std::vector<Seen>{{frame_of(10), 20, 0, 1},
                                                         {frame_of(5), 30, 2'000'000'000, 113},
                                                         {frame_of(2), 2, 500'000'000, 113},
                                                         {frame_of(3), 3, 0, 1}}));
  }
}

TEST("capture: pcapng times in every resolution, clamped and never overflowing") {
  CHECK_EQ(pcapng_nanos(1ull << 40, 0, 0), INT64_MAX);
  CHECK_EQ(pcapng_nanos(5, 0, 0), 5'000'000'000);
  CHECK_EQ(pcapng_nanos(1ull << 40, 6, 0), 1'099'511'627'776'000);
  CHECK_EQ(pcapng_nanos(UINT64_MAX, 6, 0), INT64_MAX);
  CHECK_EQ(pcapng_nanos(1ull << 40, 12, 0), 1'099'511'627);
  CHECK_EQ(pcapng_nanos(UINT64_MAX, 28, 0), 1);
  CHECK_EQ(pcapng_nanos(UINT64_MAX, 29, 0), 0);
  CHECK_EQ(pcapng_nanos(UINT64_MAX, 127, 0), 0);
  CHECK_EQ(pcapng_nanos(3, 0x81, 0), 1'500'000'000);
  CHECK_EQ(pcapng_nanos(UINT64_MAX, 0xa0, 0), 4'294'967'295'999'999'999);
  CHECK_EQ(pcapng_nanos(UINT64_MAX, 0xff, 0), 0);
  CHECK_EQ(pcapng_nanos(5, 6, -1000), -999'999'995'000);
  CHECK_EQ(pcapng_nanos(5, 6, INT64_MAX), INT64_MAX);
  CHECK_EQ(pcapng_nanos(UINT64_MAX, 0x80, INT64_MAX), INT64_MAX);
  CHECK_EQ(pcapng_nanos(0, 6, INT64_MIN), INT64_MIN);
}

TEST("capture: the link type is known after opening, from the first frame if there is one") {
  const auto link_type = [](const Bytes& bytes) {
    CaptureReader reader;
    CHECK(reader.open_memory(bytes.data(), bytes.size()));
    return reader.link_type();
  };
  CHECK_EQ(link_type(Maker{}.pcap(0xa1b2c3d4, 276).bytes), 276u);
  CHECK_EQ(link_type(Maker{}.section().bytes), kLinkTypeUnknown);
  CHECK_EQ(link_type(Maker{}.section().interface(113).interface(1).bytes), 113u);
  CHECK_EQ(link_type(Maker{}.section().interface(113).interface(1).packet(1, 0, frame_of(1), 1).bytes), 1u);
}

TEST("capture: files and pipes that dribble give the same as memory") {
  for (const Bytes& whole : {small_pcap(true), small_pcapng(false)}) {
    const TempFile file(whole);
    CaptureReader reader;
    CHECK(reader.open(file.path()));
    CHECK(drain(reader) == small_frames());

    int ends[2];
    CHECK_EQ(::pipe(ends), 0);
    std::thread writer([&] {
      for (const uint8_t byte : whole) CHECK_EQ(::write(ends[1], &byte, 1), 1);
      ::close(ends[1]);
    });
    CHECK(reader.open(("/dev/fd/" + std::to_string(ends[0])).c_str()));
    ::close(ends[0]);
    CHECK(drain(reader) == small_frames());
    CHECK_EQ(std::string(reader.error()), "");
    writer.join();
  }
}

TEST("capture: frames and foreign blocks of any size pass through the window") {
  Maker m;
  m.section().interface(1, 0, m.option(9, 9, 1));
  std::vector<Seen> expected;
  const uint32_t sizes[] = {262144, 1, 262144, 262144, 262143, 60, 0, 131072, 262144};
  for (const uint32_t size : sizes) {
    expected.push_back({frame_of(size, static_cast<uint8_t>(size / 7)), size, size, 1});
    m.packet(0, size, expected.back().data, size);
    m.block(0x80000bad, m.sub().raw(Bytes(size * 5)));
  }
  CHECK(read_all(m.bytes).frames == expected);
  const TempFile file(m.bytes);
  CaptureReader reader;
  CHECK(reader.open(file.path()));
  CHECK(drain(reader) == expected);
  CHECK_EQ(reader.error_code(), kCaptureOk);
}
