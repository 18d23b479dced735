// The capture reader on everything broken: it says what and where, after the frames before.
#include <string>

#include "port/capture_writer.h"
#include "test/capture_maker.h"

using namespace overlane;
using namespace overlane::capture_test;

TEST("capture: what is no capture is named by its first bytes") {
  CHECK(says(read_all({}), "is empty"));
  CHECK(says(read_all({'#', '!', '/', 'b', 'i', 'n'}), "starts with 23 21 2f 62"));
  CHECK(says(read_all({'#', '!'}), "starts with 23 21,"));
  CHECK(says(read_all({0x1f, 0x8b, 8, 0}), "gunzip"));
  CHECK(says(read_all({0x28, 0xb5, 0x2f, 0xfd}), "unzstd"));
  for (const Bytes& bytes : {Bytes{}, Bytes{1, 2, 3, 4}, Maker{}.p32(0x0a0d0d0a).p32(28).p32(5).bytes}) {
    const Result r = read_all(bytes);
    CHECK(!r.opened);
    CHECK_EQ(r.code, kCaptureNotACapture);
  }
}

TEST("capture: unknown versions are refused") {
  for (const Bytes& bytes :
       {Maker{}.pcap(0xa1b2c3d4, 1, 5).bytes, Maker{true}.section(2, 0).bytes, Maker{}.section(1, 1).bytes}) {
    const Result r = read_all(bytes);
    CHECK(!r.opened);
    CHECK_EQ(r.code, kCaptureUnsupported);
  }
  CHECK_EQ(read_all(Maker{}.section(1, 2).bytes).code, kCaptureOk);
  CHECK_EQ(read_all(Maker{}.section().section(1, 7).bytes).code, kCaptureUnsupported);
}

TEST("capture: contradictions are corrupt, and the frames before them are delivered") {
  Maker m;
  const Bytes one = frame_of(1);
  const Bytes broken[] = {
      m.sub().p32(6).p32(8).p32(8).bytes,                                         // no room for both lengths
      m.sub().p32(6).p32(33).raw(frame_of(21)).p32(33).bytes,                     // not a multiple of 4
      m.sub().p32(6).p32(12).p32(12).bytes,                                       // shorter than a packet's fields
      m.sub().packet(1, 0, one, 1).bytes,                                         // no such interface
      m.sub().block(6, m.sub().p32(0).p64(0).p32(5).p32(5).raw(one)).bytes,       // longer than the block
      m.sub().block(6, m.sub().p32(0).p64(0).p32(262145).p32(5).raw(one)).bytes,  // over the limit
      m.sub().block(6, m.sub().p32(0).p64(0).p32(UINT32_MAX).p32(5).raw(one)).bytes,
      m.sub().p32(6).p32(0xfffffffc).raw(frame_of(40)).bytes,  // a 4 GiB packet block
      m.sub().p32(1).p32(0xfffffffc).raw(frame_of(40)).bytes,
      m.sub().block(3, m.sub().p32(9).raw(one)).bytes,
      m.sub().block(3, m.sub().p32(UINT32_MAX).raw(one)).bytes,
      m.sub().p32(0x99).p32(12).p32(16).bytes,  // the two lengths differ
      m.sub().p32(6).p32(36).raw(frame_of(24)).p32(40).bytes,
      m.sub().interface(1, 0, m.option(9, 6, 2)).bytes,
      m.sub().interface(1, 0, m.option(14, 6, 4)).bytes,
      m.sub().interface(1, 0, m.sub().p16(2).p16(400).p32(0).bytes).bytes,  // option beyond its block
      m.sub().block(1, m.sub().p32(1)).bytes,
      m.sub().p32(0x0a0d0d0a).p32(28).p32(7).raw(frame_of(16)).bytes,
      m.sub().p32(0x0a0d0d0a).p32(12).p32(0x1a2b3c4d).bytes,
      m.sub().section().packet(0, 0, one, 1).bytes,  // interfaces end with a section
  };
  for (const Bytes& tail : broken) {
    const Result r = read_all(m.sub().section().interface().packet(0, 0, one, 1).raw(tail).bytes);
    CHECK_EQ(r.frames.size(), 1u);
    CHECK_EQ(r.code, kCaptureCorrupt);
    CHECK(says(r, "after 1 packets") && says(r, "at byte "));
  }
  const Result r = read_all(Maker{}.pcap(0xa1b2c3d4).record(0, 0, one, 1).p64(0).p32(262145).p32(262145).bytes);
  CHECK_EQ(r.frames.size(), 1u);
  CHECK_EQ(r.code, kCaptureCorrupt);
  CHECK(says(r, "at byte 41, after 1 packets: a packet of 262145 bytes"));
}

TEST("capture: interfaces have a limit") {
  Maker m;
  m.section();
  const Bytes one = m.sub().interface().bytes;
  for (size_t i = 0; i <= CaptureReader::kMaxInterfaces; i++) m.raw(one);
  CHECK(says(read_all(m.bytes), "more than 65536 interfaces"));
}

TEST("capture: cut at every byte, a file gives the frames before the cut and a clean end or an error") {
  for (const bool big : {false, true}) {
    for (const Bytes& whole : {small_pcap(big), small_pcapng(big)}) {
      size_t most = 0;
      size_t clean = 0;
      for (size_t cut = 0; cut < whole.size(); cut++) {
        const Result r = read_all(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(cut)));
        CHECK(r.frames.size() >= most && r.frames.size() <= 2);
        most = r.frames.size();
        for (size_t i = 0; i < most; i++) CHECK(r.frames[i] == small_frames()[i]);
        if (r.code == kCaptureOk) {
          clean++;
        } else {
          CHECK_EQ(r.code, cut < 4 ? kCaptureNotACapture : kCaptureTruncated);
        }
      }
      // Between header and frames; pcapng has an interface and a foreign block more.
      CHECK_EQ(clean, whole == small_pcap(big) ? 2u : 4u);
    }
  }
}

TEST("capture: any byte changed to anything neither crashes nor exceeds the limits") {
  for (const bool big : {false, true}) {
    for (const Bytes& whole : {small_pcap(big), small_pcapng(big)}) {
      Bytes changed = whole;
      for (size_t at = 0; at < whole.size(); at++) {
        for (unsigned value = 0; value < 256; value++) {
          changed[at] = static_cast<uint8_t>(value);
          for (const Seen& seen : read_all(changed).frames) {
            CHECK(seen.data.size() <= whole.size() && seen.wire >= seen.data.size());
          }
        }
        changed[at] = whole[at];
      }
    }
  }
}

TEST("capture: opening what cannot be opened says why") {
  CaptureReader reader;
  CaptureFrame frame;
  CHECK(!reader.open("/nonexistent/x.pcap"));
  CHECK_EQ(reader.error_code(), kCaptureMissing);
  CHECK_EQ(std::string(reader.error()), "/nonexistent/x.pcap: no such file");
  CHECK(!reader.next(frame));
  CHECK(!reader.open("/tmp"));
  CHECK_EQ(reader.error_code(), kCaptureNotACapture);
  CHECK(std::string(reader.error()).find("is a directory") != std::string::npos);

  CaptureWriter writer;
  CHECK(!writer.open("/nonexistent/x.pcapng"));
  CHECK_EQ(writer.error_code(), kCaptureMissing);
  CHECK(!writer.open("/tmp"));
  CHECK(std::string(writer.error()).find("is a directory") != std::string::npos);
  CHECK(!writer.open("/dev/full"));
  CHECK_EQ(writer.error_code(), kCaptureSystem);
  CHECK(!writer.write(nullptr, 0, 0, 0));
}
