#include "stage/mirror.h"

#include <cstring>

#include "offload/transport.h"
#include "stage/context.h"
#include "stage/parse.h"

namespace overlane {

namespace {

// The checksum that the sender left open.
struct Finished {
  uint32_t at = 0;  // where it belongs; 0: none was left open, or it cannot be computed
  uint16_t checksum = 0;
};

// Of a super-frame as if it were one packet.
Finished finish_checksum(const Packet& packet) {
  if (!(packet.flags & kPartialChecksum) || packet.flags & kInnerOffload || packet.cut != 0) return {};
  const Headers h = parse_frame(packet.data, packet.length);  // of now: the packet's own may be none yet
  if (!has_transport(h) || h.end > packet.length) return {};
  const uint32_t length = transport_length(packet.data, h);
  const uint32_t at = checksum_offset(h);
  // Less what is in the field, which may or may not have the length of a super-frame in it.
  const uint64_t sum =
      checksum_add(packet.data + h.l4, length) + static_cast<uint16_t>(~load<uint16_t>(packet.data + at));
  return {at, finished_checksum(sum + pseudo_sum(packet.data, h) + swap32(length), h.protocol)};
}

void copy(const Packet& packet, Nanos time, Direction direction, const Finished& finished, CaptureRing& ring,
          CounterRow& row) {
  uint8_t* to = ring.add(time, packet.length, packet.length + packet.cut, direction);
  if (OVERLANE_UNLIKELY(to == nullptr)) return row.add(Counter::capture_lost);
  const uint32_t kept = std::min(packet.length, ring.snaplen());
  std::memcpy(to, packet.data, kept);
  if (finished.at == 0) return;
  uint8_t checksum[2];
  store(checksum, finished.checksum);
  for (uint32_t i = 0; i < 2 && finished.at + i < kept; ++i) to[finished.at + i] = checksum[i];
}

}  // namespace

void mirror(const Burst& burst, uint16_t port, Direction direction, Context& context) {
  const std::span<CaptureRing* const> rings = context.mirrors.of(port);
  if (rings.empty()) return;
  CounterRow& row = context.counters.port(port);
  const bool by_clock = context.live && direction == Direction::transmitted;
  for (uint32_t i = 0; i < burst.count; ++i) {
    const Packet& packet = *burst.packets[i];
    const Finished finished = finish_checksum(packet);
    const Nanos time = by_clock ? context.now : packet.time;
    for (CaptureRing* ring : rings) copy(packet, time, direction, finished, *ring, row);
  }
  for (CaptureRing* ring : rings) ring->publish();
}

}  // namespace overlane
