// Datagrams on their way into one system call (UDP_SEGMENT): all of one size but the last, which may be shorter.
#pragma once

#include <sys/uio.h>

#include "core/ip_address.h"
#include "offload/segment.h"
#include "wire/vxlan.h"

namespace overlane {

struct UdpTrain {
  static constexpr uint32_t kMaxDatagrams = 64;  // UDP_MAX_SEGMENTS before Linux 6.9
  static constexpr uint32_t kPrefix = sizeof(Vxlan);

  IpAddress peer;
  uint8_t tos = 0;
  uint32_t count = 0;   // datagrams
  uint32_t stride = 0;  // bytes of each but the last
  uint32_t last = 0;    // bytes of the last
  uint32_t bytes = 0;
  uint32_t parts = 0;
  uint8_t first[kMaxDatagrams];  // where each datagram begins in `part`
  iovec part[2 * kMaxDatagrams];
  uint8_t header[kMaxDatagrams][kPrefix + kMaxSegmentHeader];  // of the segments of super-frames

  bool takes(const IpAddress& to, uint8_t with, uint32_t size, uint32_t most) const {
    return peer == to && tos == with && last == stride && size <= stride && count < kMaxDatagrams &&
           bytes + size <= most;
  }
  void begin(const IpAddress& to, uint8_t with, uint32_t size) {
    peer = to;
    tos = with;
    stride = size;
    count = bytes = parts = 0;
  }
  // One more datagram, of the parts that follow; see put().
  void add(uint32_t size) {
    first[count++] = static_cast<uint8_t>(parts);
    last = size;
    bytes += size;
  }
  void put(const uint8_t* data, uint32_t length) { part[parts++] = {const_cast<uint8_t*>(data), length}; }

  uint32_t size_of(uint32_t i) const { return i + 1 < count ? stride : last; }
  uint32_t parts_of(uint32_t i) const { return (i + 1 < count ? first[i + 1] : parts) - first[i]; }
};

}  // namespace overlane
