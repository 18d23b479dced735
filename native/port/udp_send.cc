// Sending: trains of datagrams, by UDP_SEGMENT where the kernel takes it.
#include <algorithm>
#include <cerrno>

#include "offload/segment.h"
#include "port/udp.h"
#include "port/udp_control.h"

namespace overlane {

namespace {

// The frame behind the VXLAN header, as if it were the packet.
bool complete_frame_checksum(Packet& packet) {
  packet.data += sizeof(Vxlan);
  packet.length -= sizeof(Vxlan);
  const bool done = complete_checksum(packet);
  packet.data -= sizeof(Vxlan);
  packet.length += sizeof(Vxlan);
  return done;
}

// Not about one datagram, but about UDP_SEGMENT: no checksum offload in the device, IPsec; or, by older kernels, about
// the size.
bool refuses_segmentation(int error) {
  return error == EINVAL || error == EIO;
}

}  // namespace

// Ordinary packets are given up at the end, since trains read from them until then.
uint32_t UdpPort::transmit(Packet** packets, uint32_t count, CounterRow& row) {
  if (count == 0) return 0;
  now_ = packets[0]->time;
  uint32_t held = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (OVERLANE_LIKELY(load_packet(packets[i], row))) packets[held++] = packets[i];
  }
  for (uint32_t i = 0; i < sockets_.senders.size(); ++i) send(i, row);
  for (uint32_t i = 0; i < held; ++i) release(packets[i]);
  count_lost_events(row);
  return count;
}

// False: it is released already, copied into a train or lost.
bool UdpPort::load_packet(Packet* packet, CounterRow& row) {
  const Datagram datagram = datagram_of(*packet);
  if (OVERLANE_UNLIKELY(datagram.peer.is_v4() != options_.local.is_v4())) {
    lose_sealed(packet, datagram, reason_of(EAFNOSUPPORT, datagram.peer), row);
    return false;
  }
  if (OVERLANE_UNLIKELY(options_.trains)) return load_sealed(packet, datagram, row);
  if (packet->segment != 0) return load_super_frame(packet, datagram, row);
  if (OVERLANE_UNLIKELY(packet->flags & kPartialChecksum) && !complete_frame_checksum(*packet)) {
    lose(packet, Counter::drop_offload, row);
    return false;
  }
  if (OVERLANE_UNLIKELY(packet->length > longest_)) {
    lose(packet, Counter::drop_mtu, row);
    return false;
  }
  UdpTrain& train = open_train(datagram, packet->length, row);
  train.add(packet->data, packet->length);
  return true;
}

bool UdpPort::load_super_frame(Packet* packet, const Datagram& datagram, CounterRow& row) {
  Segmentation plan;
  if (OVERLANE_UNLIKELY(
          !plan_segments(packet->data + kPrefix, packet->length - kPrefix, packet->headers, packet->segment, plan))) {
    lose(packet, Counter::drop_offload, row);
    return false;
  }
  const uint32_t header = kPrefix + plan.header;
  if (OVERLANE_UNLIKELY(header + plan.payload_of(0) > longest_)) {
    lose(packet, Counter::drop_mtu, row);
    return false;
  }
  // Less what followed the IP datagram in the super-frame.
  sent_as(plan.count, uint64_t{header} * plan.count + plan.payload - packet->length, row);
  for (uint32_t i = 0; i < plan.count; ++i) {
    const uint32_t payload = plan.payload_of(i);
    UdpTrain& train = open_train(datagram, header + payload, row);
    uint8_t* to = train.add_own(header + payload);
    store(to, load<uint64_t>(packet->data));
    write_segment(plan, i, to + kPrefix);
  }
  release(packet);
  return false;
}

// Datagrams that are read where they lie. A train goes out by itself, so that one call takes it.
bool UdpPort::load_sealed(Packet* packet, const Datagram& datagram, CounterRow& row) {
  const uint32_t stride = stride_of(*packet, datagram);
  if (OVERLANE_UNLIKELY(stride > longest_)) {
    lose_sealed(packet, datagram, Counter::drop_mtu, row);
    return false;
  }
  const UdpTrain& before = trains_[sender_of(datagram)];
  if (before.count != 0 && stride != packet->length) send(sender_of(datagram), row);
  uint32_t count = 0;
  uint32_t at = 0;
  do {
    const uint32_t size = std::min(stride, packet->length - at);
    open_train(datagram, size, row).add(packet->data + at, size);
    at += size;
    ++count;
  } while (at < packet->length);
  row.add(Counter::tx_packets, count - 1);  // the stage that made the train counted them as segmented
  return true;
}

// A train with room for one more datagram of this size; what was in it and does not go together is sent.
UdpTrain& UdpPort::open_train(const Datagram& datagram, uint32_t size, CounterRow& row) {
  const uint32_t sender = sender_of(datagram);
  UdpTrain& train = trains_[sender];
  if (OVERLANE_LIKELY(train.count != 0)) {
    if (OVERLANE_LIKELY(train.takes(datagram.peer, datagram.tos, size, kMaxIp - headers_))) return train;
    send(sender, row);
  }
  train.begin(datagram.peer, datagram.tos, size);
  return train;
}

void UdpPort::send(uint32_t sender, CounterRow& row) {
  UdpTrain& train = trains_[sender];
  if (train.count == 0) return;
  const int fd = sockets_.senders[sender];
  if (train.count == 1 || gso_) {
    const int error = send_whole(fd, train);
    if (OVERLANE_UNLIKELY(error != 0)) {
      if (train.count == 1 || !(refuses_segmentation(error) || error == EMSGSIZE)) {
        lose_datagrams(train.count, train.bytes, reason_of(error, train.peer), row);
      } else if (send_each(fd, train, row) && refuses_segmentation(error)) {
        gso_ = false;
      }
    }
  } else {
    send_each(fd, train, row);
  }
  train.count = 0;
}

// 0 or an errno: all or nothing.
int UdpPort::send_whole(int fd, UdpTrain& train) {
  SocketAddress to = socket_address(train.peer, options_.udp_port, scope_);
  SendControl control(train.peer.is_v4(), train.tos, train.count > 1 ? train.stride : 0);
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = to.length;
  iovec parts[kMaxTrain];
  message.msg_iov = parts;
  message.msg_iovlen = train.gather(parts);
  message.msg_control = control.whole == 0 ? nullptr : control.bytes;
  message.msg_controllen = control.whole;
  for (uint32_t attempt = 1;; ++attempt) {
    if (OVERLANE_LIKELY(sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)) return 0;
    const int error = errno;
    if (!should_retry(fd, error, attempt)) return error;
  }
}

// The same datagrams without UDP_SEGMENT. True: all of them went out.
bool UdpPort::send_each(int fd, UdpTrain& train, CounterRow& row) {
  SocketAddress to = socket_address(train.peer, options_.udp_port, scope_);
  SendControl control(train.peer.is_v4(), train.tos, train.count > 1 ? train.stride : 0);
  iovec parts[kMaxTrain];
  for (uint32_t i = 0; i < train.count; ++i) {
    parts[i] = train.part(i);
    each_[i] = {};
    msghdr& message = each_[i].msg_hdr;
    message.msg_name = &to;
    message.msg_namelen = to.length;
    message.msg_iov = &parts[i];
    message.msg_iovlen = 1;
    message.msg_control = control.each == 0 ? nullptr : control.bytes;
    message.msg_controllen = control.each;
  }
  return send_messages(fd, each_.get(), train.count, row);
}

}  // namespace overlane
