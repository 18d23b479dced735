// Sending: trains of datagrams, by UDP_SEGMENT where the kernel takes it.
#include <netinet/udp.h>

#include <cerrno>
#include <cstring>

#include "net/link_message.h"
#include "offload/segment.h"
#include "port/udp.h"

namespace overlane {

namespace {

constexpr uint32_t kMaxIp = 65535;
constexpr uint32_t kMaxAttempts = 4;  // at sending, when errors of earlier datagrams get in the way

// Control messages of a train: the second one only for several datagrams.
struct SendControl {
  alignas(cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t))];
  size_t each = 0;   // bytes for one datagram
  size_t whole = 0;  // for the train

  explicit SendControl(const UdpTrain& train) {
    if (train.tos != 0) {
      const bool v4 = train.peer.is_v4();
      const int tos = train.tos;
      each = put(0, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &tos, sizeof tos);
    }
    whole = each;
    if (train.count > 1) {
      const auto stride = static_cast<uint16_t>(train.stride);
      whole = put(each, SOL_UDP, UDP_SEGMENT, &stride, sizeof stride);
    }
  }

 private:
  size_t put(size_t at, int level, int type, const void* value, size_t length) {
    cmsghdr header{};
    header.cmsg_len = CMSG_LEN(length);
    header.cmsg_level = level;
    header.cmsg_type = type;
    store(bytes + at, header);
    std::memcpy(bytes + at + CMSG_LEN(0), value, length);
    return at + CMSG_SPACE(length);
  }
};

// The frame behind the VXLAN header, as if it were the packet.
bool complete_frame_checksum(Packet& packet) {
  packet.data += sizeof(Vxlan);
  packet.length -= sizeof(Vxlan);
  const bool done = complete_checksum(packet);
  packet.data -= sizeof(Vxlan);
  packet.length += sizeof(Vxlan);
  return done;
}

bool is_full(int error) {
  return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
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
    lose(packet, reason_of(EAFNOSUPPORT, datagram.peer), row);
    return false;
  }
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

// A train with room for one more datagram of this size; what was in it and does not go together is sent.
UdpTrain& UdpPort::open_train(const Datagram& datagram, uint32_t size, CounterRow& row) {
  const uint32_t sender = datagram.flow & (sockets_.senders.size() - 1);
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
  SendControl control(train);
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = to.length;
  iovec parts[UdpTrain::kMaxDatagrams];
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
  SendControl control(train);
  iovec parts[UdpTrain::kMaxDatagrams];
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
  bool all = true;
  uint32_t too_big = UINT32_MAX;  // a size that was refused: no need to ask again
  for (uint32_t at = 0, attempt = 1; at < train.count;) {
    int error = EMSGSIZE;
    if (train.size_of(at) < too_big) {
      const int sent = sendmmsg(fd, &each_[at], train.count - at, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (OVERLANE_LIKELY(sent > 0)) {
        at += static_cast<uint32_t>(sent);
        attempt = 1;
        continue;
      }
      error = errno;
      if (should_retry(fd, error, attempt++)) continue;
    }
    if (error == EMSGSIZE) too_big = train.size_of(at);
    lose_datagrams(1, train.size_of(at), reason_of(error, train.peer), row);
    all = false;
    attempt = 1;
    ++at;
  }
  return all;
}

// An error may be that of an earlier datagram, which ICMP brought; it is in the way until it is read.
bool UdpPort::should_retry(int fd, int error, uint32_t attempt) {
  if (is_full(error) || refuses_segmentation(error) || error == EPERM) return false;
  const bool refused = drain_errors(fd, now_);
  return !refused && attempt < kMaxAttempts;
}

Counter UdpPort::reason_of(int error, const IpAddress& peer) {
  if (is_full(error)) return Counter::drop_port_full;
  if (error == EMSGSIZE) return Counter::drop_mtu;
  fail("cannot send to " + to_text(peer) + ": " + std::strerror(error) +
           (error == EPERM ? "; does a firewall rule forbid it?" : ""),
       now_);
  return Counter::drop_port_error;
}

void UdpPort::lose_datagrams(uint32_t count, uint64_t bytes, Counter reason, CounterRow& row) {
  row.add(reason, count);
  row.add(Counter::tx_packets, uint64_t{0} - count);
  row.add(Counter::tx_bytes, uint64_t{0} - bytes);
}

}  // namespace overlane
