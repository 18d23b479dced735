#include "port/packet_ring.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace overlane {

namespace {

constexpr uint32_t kBlock = 64 << 10;     // physically contiguous if there is such memory
constexpr uint32_t kSlotHead = 128;       // tpacket2_hdr, address, VirtioHeader, Ethernet header with tags; aligned
constexpr uint32_t kSmallestSlot = 2048;  // an MTU of 1500 with all of that
constexpr uint32_t kLargestSlot = 16 << 10;

}  // namespace

PacketRing::~PacketRing() {
  if (mapped_ != nullptr) munmap(mapped_, bytes_);
}

PacketRing& PacketRing::operator=(PacketRing&& other) noexcept {
  std::swap(mapped_, other.mapped_);
  std::swap(bytes_, other.bytes_);
  std::swap(slot_bytes_, other.slot_bytes_);
  std::swap(slots_, other.slots_);
  std::swap(next_, other.next_);
  return *this;
}

int PacketRing::open(int fd, uint32_t bytes, uint32_t mtu) {
  slot_bytes_ = kSmallestSlot;
  while (slot_bytes_ < kLargestSlot && slot_bytes_ < mtu + kSlotHead) slot_bytes_ *= 2;
  tpacket_req request{};
  request.tp_block_size = kBlock;
  request.tp_block_nr = std::max(1u, bytes / kBlock);
  request.tp_frame_size = slot_bytes_;
  request.tp_frame_nr = slots_ = request.tp_block_nr * (kBlock / slot_bytes_);
  const int version = TPACKET_V2;
  const int copy = 1;  // a frame longer than its slot is queued whole as well
  if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0 ||
      setsockopt(fd, SOL_PACKET, PACKET_COPY_THRESH, &copy, sizeof copy) != 0 ||
      setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) {
    return errno;
  }
  const size_t size = size_t{request.tp_block_nr} * kBlock;
  void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (mapped == MAP_FAILED) return errno;
  mapped_ = static_cast<uint8_t*>(mapped);
  bytes_ = size;
  return 0;
}

}  // namespace overlane
