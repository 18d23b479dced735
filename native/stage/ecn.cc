#include "stage/ecn.h"

#include "wire/checksum.h"

namespace overlane {

bool carry_congestion(uint8_t* frame, uint32_t length) {
  uint16_t type = load_be16(frame + 12);
  uint32_t at = sizeof(Ethernet);
  for (unsigned tags = 0; tags < kMaxVlanTags && is_vlan_tag(type) && length >= at + 4; ++tags, at += 4) {
    type = load_be16(frame + at + 2);
  }
  uint8_t* ip = frame + at;
  if (type == ether_type::kIpv4 && length >= at + sizeof(Ipv4)) {
    if ((ip[1] & ecn::kMask) == ecn::kNotCapable) return false;
    const uint16_t before = load<uint16_t>(ip);
    ip[1] |= ecn::kCongestion;
    store(ip + 10, checksum_update(load<uint16_t>(ip + 10), before, load<uint16_t>(ip)));
  } else if (type == ether_type::kIpv6 && length >= at + sizeof(Ipv6)) {
    if ((ip[1] >> 4 & ecn::kMask) == ecn::kNotCapable) return false;
    ip[1] |= ecn::kCongestion << 4;
  }
  return true;
}

}  // namespace overlane
