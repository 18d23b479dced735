#include "stage/flow.h"
#include "stage/parse.h"
#include "test/check.h"
#include "test/frames.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"

using namespace overlane;
using namespace overlane::test;

namespace {

Headers parsed(const Bytes& frame) {
  return parse_frame(frame.data(), static_cast<uint32_t>(frame.size()));
}

uint32_t flow(const Bytes& frame) {
  return flow_hash(frame.data(), parsed(frame));
}

const Bytes kNd =
    hex("333300000001 02420a000001 86dd 60000000 0020 3a ff fe800000000000000000000000000001 "
        "ff020000000000000000000000000001 87 00 0000 00000000 fe800000000000000000000000000002 0101 02420a000001");

}  // namespace

TEST("parse: a UDP frame") {
  const Headers h = parsed(udp_frame(mac(2), mac(1), 1, 2));
  CHECK_EQ(h.status, ParseStatus::ok);
  CHECK_EQ(h.ether_type, 0x0800);
  CHECK_EQ(h.vlan, kNoVlan);
  CHECK_EQ(h.l3, 14);
  CHECK_EQ(h.l4, 34);
  CHECK_EQ(h.payload, 42);
  CHECK_EQ(h.end, 64u);
  CHECK_EQ(h.protocol, 17);
}

TEST("parse: tags, also two, and what they shift") {
  const Bytes plain = udp_frame(mac(2), mac(1), 1, 2);
  Headers h = parsed(with_tag(plain, 100));
  CHECK_EQ(h.vlan, 100);
  CHECK_EQ(h.l4, 38);
  CHECK_EQ(flow(with_tag(plain, 100)), flow(plain));
  Bytes twice = with_tag(with_tag(plain, 7), 0xe064);
  twice[12] = 0x88;
  twice[13] = 0xa8;
  h = parsed(twice);
  CHECK_EQ(h.vlan, 100);
  CHECK_EQ(h.ether_type, 0x0800);
  CHECK_EQ(h.l3, 22);
}

TEST("parse: IPv6 with extension headers, fragments, an unknown chain end") {
  Headers h = parsed(kNd);
  CHECK_EQ(h.status, ParseStatus::ok);
  CHECK_EQ(h.protocol, 58);
  CHECK_EQ(h.l4, 54);
  Bytes extended = kNd;
  extended[20] = 0;  // hop-by-hop first
  extended[19] = 0x28;
  const Bytes option = hex("3a 00 01 04 00000000");
  extended.insert(extended.begin() + 54, option.begin(), option.end());
  h = parsed(extended);
  CHECK_EQ(h.status, ParseStatus::ok);
  CHECK_EQ(h.protocol, 58);
  CHECK_EQ(h.l4, 62);
  extended[20] = 44;  // the same bytes as a fragment header, offset 32
  h = parsed(extended);
  CHECK_EQ(h.flags & kLaterFragment, kLaterFragment);
  CHECK_EQ(h.l4, 0);
}

TEST("parse: every fragment of a datagram has the same flow hash") {
  Bytes first = udp_frame(mac(2), mac(1), 1, 2);
  first[20] = 0x20;
  Bytes later = udp_frame(mac(2), mac(1), 1, 2);
  later[21] = 0x10;
  later[34] ^= 0xff;
  CHECK_EQ(flow(first), flow(later));
  CHECK_EQ(parsed(first).l4, 34);
  CHECK_EQ(parsed(later).l4, 0);
}

TEST("parse: cut at every length it never reads past the end, and says what is missing") {
  for (const Bytes& whole : {udp_frame(mac(2), mac(1), 1, 2), arp_request(1, 2), kNd, with_tag(kNd, 5)}) {
    for (size_t length = 0; length < whole.size(); ++length) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<long>(length));  // its own allocation: ASan sees
      CHECK(parsed(cut).status != ParseStatus::ok);
    }
  }
}

TEST("parse: the short way and the thorough one agree on every one-byte change and every length") {
  Bytes tcp = udp_frame(mac(2), mac(1), 1, 2);
  tcp[23] = 6;
  tcp[46] = 0x50;
  for (const Bytes& whole : {udp_frame(mac(2), mac(1), 1, 2), tcp}) {
    for (size_t at = 12; at < 48; ++at) {
      for (int value = 0; value < 256; ++value) {
        Bytes frame = whole;
        frame[at] = static_cast<uint8_t>(value);
        for (size_t length : {frame.size(), size_t{60}, size_t{45}, size_t{42}}) {
          const Headers a = parse_frame(frame.data(), static_cast<uint32_t>(length));
          const Headers b = parse_thoroughly(frame.data(), static_cast<uint32_t>(length));
          CHECK(a == b);
        }
      }
    }
  }
}

TEST("parse: lengths that lie") {
  Bytes frame = udp_frame(mac(2), mac(1), 1, 2);
  frame[38] = 0;
  frame[39] = 7;
  CHECK_EQ(parsed(frame).status, ParseStatus::udp_length);
  frame[39] = 200;
  CHECK_EQ(parsed(frame).status, ParseStatus::udp_length);
  frame[14] = 0x44;
  CHECK_EQ(parsed(frame).status, ParseStatus::ipv4_header_length);
  frame[14] = 0x4f;
  CHECK_EQ(parsed(frame).status, ParseStatus::ipv4_header_length);
  frame[14] = 0x65;
  CHECK_EQ(parsed(frame).status, ParseStatus::ipv4_version);
  frame[14] = 0x45;
  frame[17] = 19;
  CHECK_EQ(parsed(frame).status, ParseStatus::ipv4_header_length);
  frame[17] = 51;
  CHECK_EQ(parsed(frame).status, ParseStatus::ipv4_truncated);
}

TEST("checksum: RFC 1071 example, odd lengths, every split, incremental update") {
  const Bytes example = hex("0001 f203 f4f5 f6f7");
  CHECK_EQ(swap16(checksum_fold(checksum_add(example.data(), example.size()))), 0xddf2);
  Bytes bytes(77);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 37 + 11);
  for (size_t n = 0; n <= bytes.size(); ++n) {
    const Bytes part(bytes.begin(), bytes.begin() + static_cast<long>(n));
    const auto sum = static_cast<uint16_t>(~checksum_fold(checksum_add(part.data(), n)));
    CHECK_EQ(swap16(sum), ones_complement(part, 0, n));
  }
  Bytes frame = udp_frame(mac(2), mac(1), 1, 2);
  CHECK_EQ(checksum_ipv4(&frame[14]), 0xffff);
  const auto before = load<uint16_t>(&frame[14]);
  frame[15] = 3;
  store(&frame[24], checksum_update(load<uint16_t>(&frame[24]), before, load<uint16_t>(&frame[14])));
  CHECK_EQ(checksum_ipv4(&frame[14]), 0xffff);
}

TEST("ethernet: MAC folds") {
  const Bytes frame = join({hex("0180c200000e"), mac(9), hex("88cc"), Bytes(50, 0)});
  CHECK(is_link_local(destination_mac(frame.data())));
  CHECK(is_group(destination_mac(frame.data())));
  CHECK_EQ(source_mac(frame.data()), load_mac(mac(9).data()));
  CHECK(!is_link_local(load_mac(hex("0180c2000010").data())));
  uint8_t back[6];
  store_mac(back, load_mac(mac(9).data()));
  CHECK(Bytes(back, back + 6) == mac(9));
}
