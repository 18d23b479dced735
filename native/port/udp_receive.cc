// Receiving: datagrams, and trains of them that the kernel put together (UDP_GRO).
#include <netinet/udp.h>

#include <cerrno>
#include <cstring>

#include "offload/merge.h"
#include "offload/whole.h"
#include "port/udp.h"

namespace overlane {

namespace {

// A train stays one packet for the stage that opens what is sealed.
Packet* with_stride(Packet* packet, uint32_t stride) {
  if (stride == 0 || stride >= packet->length) return packet;
  Datagram datagram = datagram_of(*packet);
  datagram.stride = static_cast<uint16_t>(stride);
  set_datagram(*packet, datagram);
  return packet;
}

}  // namespace

uint32_t UdpPort::receive(Packet** packets, uint32_t max, Nanos now, Nanos, Pools& pools, CounterRow& row) {
  count_lost_events(row);
  const auto hand_on = [&](Packet* packet, const Control& control, Packet** to, uint32_t room) -> uint32_t {
    if (options_.trains) {
      *to = with_stride(packet, control.stride);
    } else if (mark_whole(*packet, kPrefix, longest_, control.stride)) {
      *to = packet;
    } else {
      split(packet, control.stride, pools, row);
      return take_split(to, room);
    }
    return 1;
  };
  return receive_each(sockets_.receiver, packets, take_split(packets, max), max, now, pools, row, hand_on);
}

// What is left of a train that was taken apart.
uint32_t UdpPort::take_split(Packet** to, uint32_t room) {
  uint32_t count = 0;
  while (count < room && split_next_ < split_count_) to[count++] = split_[split_next_++];
  return count;
}

// A small buffer, and a large one behind it: most datagrams fill only the small one, and leave the large ones, which
// are few, for the next read.
uint32_t SocketPort::fill_slots(uint32_t wanted, Pools& pools) {
  uint32_t ready = 0;
  for (; ready < wanted; ++ready) {
    Slot& slot = slots_[ready];
    slot.small = pools.take(Pools::kSmallRoom);
    slot.large = pools.take(Pools::kLargeRoom);
    if (OVERLANE_UNLIKELY(slot.small == nullptr || slot.large == nullptr)) {
      if (slot.small != nullptr) release(slot.small);
      if (slot.large != nullptr) release(slot.large);
      break;
    }
    slot.parts[0] = {slot.small->data, Pools::kSmallRoom};
    slot.parts[1] = {slot.large->data + Pools::kSmallRoom, Pools::kLargeRoom - Pools::kSmallRoom};
    msghdr& header = messages_[ready].msg_hdr;
    header.msg_namelen = sizeof slot.from.v6;
    header.msg_controllen = sizeof slot.control;
  }
  return ready;
}

uint32_t SocketPort::read_batch(int fd, uint32_t wanted, Nanos now, Pools& pools, CounterRow& row) {
  next_ = filled_ = 0;
  const uint32_t ready = fill_slots(wanted, pools);
  if (OVERLANE_UNLIKELY(ready == 0)) {
    row.add(Counter::rx_pool_empty);
    return 0;
  }
  const int read = recvmmsg(fd, messages_, ready, MSG_DONTWAIT, nullptr);
  if (read > 0) filled_ = static_cast<uint32_t>(read);
  if (OVERLANE_UNLIKELY(read < 0)) note_unread(fd, errno, now);
  for (uint32_t i = ready; i-- > filled_;) {
    release(slots_[i].large);
    release(slots_[i].small);
  }
  return filled_;
}

// Where the socket sends too, it is one that ICMP brought: the descriptor stays readable, so the rest comes next.
void SocketPort::note_unread(int fd, int error, Nanos now) {
  if (error == EAGAIN || error == EINTR) return;
  if (sends_itself_) {
    drain_errors(fd, now);
  } else {
    fail(std::string("cannot read from the ") + what_ + ": " + std::strerror(error), now);
  }
}

SocketPort::Control SocketPort::read_control(msghdr& header, CounterRow& row) {
  Control control;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    const uint8_t* data = CMSG_DATA(c);
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      const auto stride = load<int>(data);
      control.stride = stride > 0 ? static_cast<uint32_t>(stride) : 0;
    } else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_TOS) {
      control.tos = *data;
    } else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_TCLASS) {
      control.tos = static_cast<uint8_t>(load<int>(data));
    } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
      const auto drops = load<uint32_t>(data);
      row.add(Counter::rx_kernel_dropped, drops - kernel_drops_);
      kernel_drops_ = drops;
    }
  }
  return control;
}

// What the next message brought, in one buffer. nullptr: dropped.
Packet* SocketPort::take_next(Nanos now, Control& control, CounterRow& row) {
  const uint32_t i = next_++;
  Slot& slot = slots_[i];
  msghdr& header = messages_[i].msg_hdr;
  const uint32_t length = messages_[i].msg_len;
  control = read_control(header, row);
  Packet* packet = slot.small;
  if (length > Pools::kSmallRoom) {
    std::memcpy(slot.large->data, slot.small->data, Pools::kSmallRoom);
    packet = slot.large;
    release(slot.small);
  } else {
    release(slot.large);
  }
  if (OVERLANE_UNLIKELY(header.msg_flags & MSG_TRUNC)) {
    refuse_oversize(length, row);
    release(packet);
    return nullptr;
  }
  packet->length = length;
  packet->time = now;
  set_datagram(*packet, {ip_of(slot.from), 0, control.tos});
  return packet;
}

// The caller counts the packets that come out; the datagrams of the wire that they are not are counted here.
void UdpPort::split(Packet* train, uint32_t stride, Pools& pools, CounterRow& row) {
  const uint32_t bytes = train->length;
  uint32_t coalesced = 0;
  uint32_t lost = 0;
  split_next_ = 0;
  split_count_ = split_train(train, stride, kPrefix, split_, kMaxBurst, pools, coalesced, lost);
  uint64_t left = 0;
  for (uint32_t i = 0; i < split_count_; ++i) {
    left += split_[i]->length;
    if (split_[i]->flags == 0) mark_whole(*split_[i], kPrefix, UINT32_MAX, 0);
  }
  row.add(Counter::rx_packets, uint64_t{coalesced} + lost);
  row.add(Counter::rx_bytes, bytes - left);
  row.add(Counter::coalesced, coalesced);
  row.add(Counter::drop_pool_empty, lost);
}

}  // namespace overlane
