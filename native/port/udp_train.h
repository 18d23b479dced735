// Datagrams on their way into one system call (UDP_SEGMENT): all of one size but the last, which may be shorter.
#pragma once

#include <sys/uio.h>

#include <memory>

#include "core/datagram.h"

namespace overlane {

struct UdpTrain {
  static constexpr uint32_t kRoom = 65536;

  IpAddress peer;
  uint8_t tos = 0;
  uint32_t count = 0;   // datagrams
  uint32_t stride = 0;  // bytes of each but the last
  uint32_t last = 0;    // bytes of the last
  uint32_t bytes = 0;
  uint32_t used = 0;             // of `room`
  const uint8_t* at[kMaxTrain];  // each datagram: in a packet, or in `room`
  // Segments of super-frames are put together here, side by side: copied while their checksum is computed, which costs
  // less than what the kernel asks for a train in pieces (65 ns a datagram, two pieces each).
  std::unique_ptr<uint8_t[]> room = std::make_unique<uint8_t[]>(kRoom);

  bool takes(const IpAddress& to, uint8_t with, uint32_t size, uint32_t most) const {
    return peer == to && tos == with && last == stride && size <= stride && count < kMaxTrain && bytes + size <= most;
  }
  void begin(const IpAddress& to, uint8_t with, uint32_t size) {
    peer = to;
    tos = with;
    stride = size;
    count = bytes = used = 0;
  }
  void add(const uint8_t* datagram, uint32_t size) {
    at[count++] = datagram;
    last = size;
    bytes += size;
  }
  // A datagram to be written; there is always room, as a train is shorter.
  uint8_t* add_own(uint32_t size) {
    uint8_t* datagram = room.get() + used;
    used += size;
    add(datagram, size);
    return datagram;
  }

  uint32_t size_of(uint32_t i) const { return i + 1 < count ? stride : last; }
  iovec part(uint32_t i) const { return {const_cast<uint8_t*>(at[i]), size_of(i)}; }
  // All of them, those side by side as one. Returns how many parts.
  uint32_t gather(iovec* parts) const {
    uint32_t made = 0;
    const uint8_t* end = nullptr;
    for (uint32_t i = 0; i < count; ++i) {
      if (at[i] == end) {
        parts[made - 1].iov_len += size_of(i);
      } else {
        parts[made++] = part(i);
      }
      end = at[i] + size_of(i);
    }
    return made;
  }
};

}  // namespace overlane
