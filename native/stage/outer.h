// The outer headers of a packet from a `frame` underlay.
#pragma once

#include "core/ip_address.h"
#include "stage/context.h"
#include "wire/udp.h"

namespace overlane {

struct Outer {
  const uint8_t* ip;
  IpAddress source;
  uint16_t underlay = kNoUnderlay;
  uint8_t tos;
};

// Which underlay of `carrier` a parsed packet is for, unencrypted, and whether its outer checksums hold: that of the
// IPv4 header, and that of UDP where the underlay wants it verified and the kernel did not leave it open (what has not
// been on a wire is believed, as the kernel does). Counter::count_: fine, else why not.
Counter match_underlay(const Packet& packet, uint16_t carrier, const Context& context, Outer& outer);

// Where the UDP datagram of such a packet ends.
OVERLANE_INLINE uint32_t udp_end(const Packet& packet) {
  const uint32_t length = load_be16(packet.data + packet.headers.l4 + offsetof(Udp, length));
  return length == 0 ? packet.headers.end : packet.headers.l4 + length;
}

}  // namespace overlane
