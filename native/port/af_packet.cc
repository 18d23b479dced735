#include "port/af_packet.h"

#include <cerrno>
#include <cstring>

#include "port/virtio_offload.h"
#include "wire/ethernet.h"

namespace overlane {

namespace {

constexpr uint32_t kMacs = 12;

uint16_t tag_type(const tpacket2_hdr* slot) {
  return slot->tp_status & TP_STATUS_VLAN_TPID_VALID ? slot->tp_vlan_tpid : ether_type::kVlan;
}

}  // namespace

// The frame of a slot, with room for `tag` bytes after its MACs; nowhere for one that is to be thrown away. False:
// there is only its beginning, as the socket's buffer was full.
bool AfPacketPort::take(const tpacket2_hdr* slot, uint32_t tag, uint8_t* to) {
  const uint32_t length = slot->tp_len;
  if (OVERLANE_LIKELY(!(slot->tp_status & TP_STATUS_COPY))) {
    if (slot->tp_snaplen < length) return false;
    if (to == nullptr) return true;
    const uint8_t* from = frame_of(slot);
    const uint32_t macs = tag == 0 ? 0 : kMacs;
    std::memcpy(to, from, macs);
    std::memcpy(to + macs + tag, from + macs, length - macs);
    return true;
  }
  VirtioHeader same_as_in_slot;
  iovec parts[3] = {{&same_as_in_slot, sizeof same_as_in_slot}};
  if (to != nullptr) {
    parts[1] = {to, kMacs};
    parts[2] = {to + kMacs + tag, length - kMacs};
  }
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = to == nullptr ? 1 : 3;
  ssize_t n;
  // The first may only tell that the interface went down meanwhile.
  for (int tries = 0; tries < 3; ++tries) {
    n = recvmsg(fd_, &message, MSG_DONTWAIT | MSG_TRUNC);
    if (n >= 0 || errno == EAGAIN) break;
  }
  return n == static_cast<ssize_t>(sizeof same_as_in_slot + length);
}

void AfPacketPort::count_losses(CounterRow& row) {
  tpacket_stats statistics{};
  socklen_t length = sizeof statistics;
  if (getsockopt(fd_, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) != 0) return;
  row.add(Counter::rx_kernel_dropped, statistics.tp_drops);
}

// nullptr: there is nothing to pass on; `full`: because of the pool, so the slot has to wait.
Packet* AfPacketPort::accept(const tpacket2_hdr* slot, Pools& pools, CounterRow& row, bool& full) {
  const uint32_t tag = slot->tp_status & TP_STATUS_VLAN_VALID ? sizeof(VlanTag) : 0;
  const uint32_t length = slot->tp_len + tag;
  // PACKET_IGNORE_OUTGOING is deaf to fanout groups before Linux 6.9.
  const bool ours = address_of(slot)->sll_pkttype == PACKET_OUTGOING;
  Packet* packet = OVERLANE_UNLIKELY(ours || slot->tp_len < sizeof(Ethernet)) ? nullptr : pools.take(length);
  if (OVERLANE_UNLIKELY(packet == nullptr)) {
    full = !ours && slot->tp_len >= sizeof(Ethernet) && length <= Pools::kLargeRoom;
    if (full) return row.add(Counter::rx_pool_empty), nullptr;
    take(slot, 0, nullptr);
    if (!ours) refuse_oversize(length, row);
    return nullptr;
  }
  packet->length = length;
  if (OVERLANE_UNLIKELY(!take(slot, tag, packet->data))) {
    row.add(Counter::rx_kernel_dropped);
  } else {
    if (tag != 0) {
      store_be16(packet->data + kMacs, tag_type(slot));
      store_be16(packet->data + kMacs + 2, slot->tp_vlan_tci);
    }
    if (OVERLANE_LIKELY(accept_offload(load<VirtioHeader>(frame_of(slot) - sizeof(VirtioHeader)), tag, *packet))) {
      return packet;
    }
    row.add(Counter::rx_packets);
    row.add(Counter::rx_bytes, length);
    row.add(Counter::drop_offload);
  }
  release(packet);
  return nullptr;
}

uint32_t AfPacketPort::receive(Packet** packets, uint32_t max, Nanos now, Nanos, Pools& pools, CounterRow& row) {
  if (!receives_) return 0;
  uint32_t count = 0;
  bool full = false;
  for (uint32_t turns = 0; turns < max; ++turns) {
    const tpacket2_hdr* slot = ring_.front();
    if (slot == nullptr) break;
    if (OVERLANE_UNLIKELY(slot->tp_status & TP_STATUS_LOSING)) count_losses(row);
    Packet* packet = accept(slot, pools, row, full);
    if (OVERLANE_UNLIKELY(full)) break;
    ring_.done();
    if (OVERLANE_UNLIKELY(packet == nullptr)) continue;
    packet->time = now;
    packets[count++] = packet;
  }
  return count;
}

std::vector<Port::Descriptor> AfPacketPort::descriptors() const {
  if (gone_) return {};
  return {{fd_, receives_}};
}

// An error condition: the interface went down, perhaps for good.
void AfPacketPort::attend(int fd, Nanos now) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error == 0) return;
  sockaddr_ll address{};
  length = sizeof address;
  const bool known = getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  if (known && address.sll_ifindex == -1) return go(now);
  if (error != ENETDOWN) fail(error, "receive from");
}

// For the user: why the port cannot be used. Told once for as long as it is so.
void AfPacketPort::report(const NetResult& failure, Nanos now) {
  if (error_ == failure.message) return;
  error_code_ = failure.code;
  error_ = failure.message;
  tell_failure(now);
}

void AfPacketPort::go(Nanos now) {
  gone_ = true;
  report({"ERR_OVERLANE_MISSING",
          "the interface " + options_.interface + " was deleted: make it again, or remove this port"},
         now);
}

void AfPacketPort::fail(int error, const char* doing) {
  if (!error_.empty()) return;
  error_code_ = "ERR_OVERLANE_SYSTEM";
  error_ = std::string("cannot ") + doing + " the interface " + options_.interface + ": " + std::strerror(error);
}

}  // namespace overlane
