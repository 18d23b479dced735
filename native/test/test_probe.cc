// What a frame says about an address that is probed for: RFC 5227, section 2.1.1; RFC 4862, section 5.4.
#include "core/ip_address.h"
#include "net/probe.h"
#include "test/check.h"
#include "test/frames.h"
#include "wire/checksum.h"

namespace overlane {
namespace {

using test::Bytes;

constexpr Mac kOurs = 0x0900000a4202;
constexpr Mac kTheirs = 0x0700000a4202;

Probe probe_for(IpAddress ip) {
  Probe probe;
  probe.mac = kOurs;
  probe.ip = ip;
  return probe;
}

std::optional<Mac> claimed(const Probe& probe, const Bytes& frame, bool check_sum = true) {
  return claims_address(probe, frame.data(), frame.size(), check_sum);
}

// ARP to everybody about 10.0.0.5.
Bytes arp(const char* operation, const char* sender, const char* sender_ip, const char* target_ip) {
  return test::hex(std::string("ffffffffffff") + sender + "0806 0001 0800 06 04" + operation + sender + sender_ip +
                   "000000000000" + target_ip);
}

TEST("probe: ARP of another who has the address, or wants it now") {
  const uint8_t ip[] = {10, 0, 0, 5};
  const Probe probe = probe_for(IpAddress::v4(ip));
  const char* five = "0a000005";
  const char* zero = "00000000";
  CHECK(claimed(probe, arp("0002", "02420a000007", five, zero)) == kTheirs);
  CHECK(claimed(probe, arp("0001", "02420a000007", five, five)) == kTheirs);  // an announcement
  CHECK(claimed(probe, arp("0001", "02420a000007", zero, five)) == kTheirs);  // a probe at the same time
  CHECK(!claimed(probe, arp("0001", "02420a000007", "0a000001", five)));      // only asks for it
  CHECK(!claimed(probe, arp("0001", "02420a000007", zero, "0a000006")));      // probes for another
  CHECK(!claimed(probe, arp("0001", "02420a000009", zero, five)));            // our own, sent back
  CHECK(!claimed(probe, arp("0002", "01420a000007", five, zero)));            // no station has a group address
  for (size_t length = 0; length < 42; ++length) {
    Bytes frame = arp("0002", "02420a000007", five, zero);
    frame.resize(length);
    frame.shrink_to_fit();
    CHECK(!claimed(probe, frame));
  }
}

// A neighbor message about fd00::5 with the right checksum.
Bytes neighbor(const char* type, const char* source, const char* option,
               const char* target = "fd00 000000000000 0000000000000005") {
  const std::string body = std::string(type) + "00 0000 00000000" + target + option;
  const Bytes message = test::hex(body);
  Bytes frame = test::hex("333300000001 02420a000007 86dd 60000000");
  const Bytes rest = test::hex(std::string("3aff") + source + "ff020000000000000000000000000001");
  frame.push_back(0);
  frame.push_back(static_cast<uint8_t>(message.size()));
  frame.insert(frame.end(), rest.begin(), rest.end());
  frame.insert(frame.end(), message.begin(), message.end());
  const auto length = static_cast<uint32_t>(message.size());
  const uint64_t pseudo = checksum_pseudo_ipv6(&frame[22], &frame[38], 58, length);
  store<uint16_t>(&frame[56], static_cast<uint16_t>(~checksum_fold(checksum_add(&frame[54], length, pseudo))));
  return frame;
}

TEST("probe: neighbor messages of another who has the address, or wants it now") {
  const Bytes ip = test::hex("fd00 000000000000 0000000000000005");
  const Probe probe = probe_for(IpAddress::v6(ip.data()));
  const char* from = "fe800000000000000000000000000007";
  const char* unspecified = "00000000000000000000000000000000";
  CHECK(claimed(probe, neighbor("88", from, "0201 02420a000008")) == 0x0800000a4202);
  CHECK(claimed(probe, neighbor("88", from, "")) == kTheirs);
  CHECK(claimed(probe, neighbor("87", unspecified, "")) == kTheirs);
  CHECK(!claimed(probe, neighbor("87", from, "0101 02420a000007")));  // only asks for it
  CHECK(!claimed(probe, neighbor("88", from, "", "fd00 000000000000 0000000000000006")));
  CHECK(!claimed(probe, neighbor("88", from, "0201 02420a000009")));  // our own MAC
  Bytes wrong = neighbor("88", from, "");
  wrong[60] ^= 1;
  CHECK(!claimed(probe, wrong));
  wrong[60] ^= 1;
  wrong[56] ^= 1;
  CHECK(!claimed(probe, wrong));
  CHECK(claimed(probe, wrong, false) == kTheirs);  // not finished by the sender
  Bytes routed = neighbor("88", from, "");
  routed[21] = 254;  // so it came through a router
  CHECK(!claimed(probe, routed));
  for (size_t length = 0; length < 78; ++length) {
    Bytes frame = neighbor("88", from, "");
    frame.resize(length);
    frame.shrink_to_fit();
    CHECK(!claimed(probe, frame, false));
  }
}

}  // namespace
}  // namespace overlane
