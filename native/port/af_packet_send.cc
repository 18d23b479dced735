// Sending of a packet port: many packets a system call, super-frames whole where the kernel takes them.
#include <cerrno>

#include "offload/segment.h"
#include "port/af_packet.h"
#include "port/virtio_offload.h"
#include "wire/ipv4.h"

namespace overlane {

namespace {

bool is_uso(const Packet& packet) {
  return packet.segment != 0 && packet.headers.protocol == ip_protocol::kUdp;
}

// The kernel has no room now.
bool is_full(int error) {
  return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

bool is_down(int error) {
  return error == ENETDOWN || error == ENXIO || error == ENODEV;
}

}  // namespace

// Datagrams of a train that was sent, which is one packet so far.
void AfPacketPort::count_train(const Packet& packet, CounterRow& row) {
  const uint32_t count = datagrams_of(packet);
  sent_as(count, uint64_t{packet.headers.payload} * (count - 1), row);
}

// Up to the first one that cannot be described, or that the kernel is known not to take.
uint32_t AfPacketPort::prepare(Packet** packets, uint32_t count) {
  uint32_t ready = 0;
  for (; ready < count && ready < kBatch; ++ready) {
    const Packet& packet = *packets[ready];
    if (OVERLANE_UNLIKELY(is_uso(packet) && !(offloads_ & kTakesUso))) break;
    if (OVERLANE_UNLIKELY(!describe_offload(packet, headers_[ready]))) break;
    parts_[ready][0] = {&headers_[ready], sizeof(VirtioHeader)};
    parts_[ready][1] = {packet.data, packet.length};
    messages_[ready].msg_hdr.msg_iov = parts_[ready];
    messages_[ready].msg_hdr.msg_iovlen = 2;
  }
  return ready;
}

// Segments of a super-frame from `at` on: a header of its own each, and the payload where it lies.
uint32_t AfPacketPort::prepare_segments(const Segmentation& plan, uint32_t at) {
  uint32_t ready = 0;
  for (; at + ready < plan.count && ready < kBatch; ++ready) {
    const uint32_t i = at + ready;
    write_segment_header(plan, i, segment_headers_[ready]);
    headers_[ready] = {};
    parts_[ready][0] = {&headers_[ready], sizeof(VirtioHeader)};
    parts_[ready][1] = {segment_headers_[ready], plan.header};
    parts_[ready][2] = {const_cast<uint8_t*>(plan.payload_at(i)), plan.payload_of(i)};
    messages_[ready].msg_hdr.msg_iov = parts_[ready];
    messages_[ready].msg_hdr.msg_iovlen = 3;
  }
  return ready;
}

// How many went out, or -1 and errno.
int AfPacketPort::send_prepared(uint32_t ready) {
  const int sent = sendmmsg(fd_, messages_, ready, MSG_DONTWAIT);
  if (OVERLANE_LIKELY(sent >= 0) || errno != ENETDOWN) return sent;
  // It may be old news: that the interface was down at some time since the last call.
  return sendmmsg(fd_, messages_, ready, MSG_DONTWAIT);
}

// Why the kernel did not take a packet; for other reasons than that it is full.
Counter AfPacketPort::reason_of(int error, bool ordinary) {
  if (is_down(error)) return Counter::drop_link_down;
  if (error == EMSGSIZE) return Counter::drop_mtu;
  if (error == EINVAL && !ordinary) return Counter::drop_offload;
  fail(error, "send on");
  return Counter::drop_port_error;
}

// A super-frame of UDP that the kernel does not take, as the datagrams that it consists of.
void AfPacketPort::send_segments(Packet* packet, CounterRow& row) {
  Segmentation plan;
  if (!plan_segments(packet->data, packet->length, packet->headers, packet->segment, plan)) {
    return lose(packet, Counter::drop_offload, row);
  }
  // Less what followed the IP datagram in the super-frame.
  sent_as(plan.count, uint64_t{plan.header} * plan.count + plan.payload - packet->length, row);
  for (uint32_t at = 0; at < plan.count;) {
    const int sent = send_prepared(prepare_segments(plan, at));
    if (OVERLANE_LIKELY(sent > 0)) {
      at += static_cast<uint32_t>(sent);
      continue;
    }
    const bool one = !is_full(errno) && !is_down(errno);
    const Counter reason = is_full(errno) ? refusal() : reason_of(errno, true);
    const uint32_t end = one ? at + 1 : plan.count;
    for (; at < end; ++at) {
      row.add(reason);
      row.add(Counter::tx_packets, uint64_t{0} - 1);
      row.add(Counter::tx_bytes, uint64_t{0} - plan.header - plan.payload_of(at));
    }
  }
  release(packet);
}

// Loses what `error` is about; the rest may be tried again. Returns how many of the packets are gone: none when the
// kernel has no room.
uint32_t AfPacketPort::give_up(Packet** packets, uint32_t count, int error, CounterRow& row) {
  if (is_full(error)) return 0;
  if (is_down(error)) {
    for (uint32_t i = 0; i < count; ++i) lose(packets[i], Counter::drop_link_down, row);
    return count;
  }
  if (error == EINVAL && is_uso(*packets[0])) {
    // Kernels before 6.2 know no USO; one that took some means that very frame.
    if (!sent_uso_) offloads_ &= static_cast<uint8_t>(~(kTakesUso | kTakesTrains));
    send_segments(packets[0], row);
  } else {
    lose(packets[0], reason_of(error, packets[0]->is_ordinary()), row);
  }
  return 1;
}

uint32_t AfPacketPort::transmit(Packet** packets, uint32_t count, CounterRow& row) {
  if (OVERLANE_UNLIKELY(gone_)) return give_up(packets, count, ENODEV, row);
  uint32_t done = 0;
  while (done < count) {
    const uint32_t ready = prepare(packets + done, count - done);
    if (OVERLANE_UNLIKELY(ready == 0)) {
      if (is_uso(*packets[done])) {
        send_segments(packets[done++], row);
      } else {
        lose(packets[done++], Counter::drop_offload, row);
      }
      continue;
    }
    const int sent = send_prepared(ready);
    if (OVERLANE_UNLIKELY(sent < 0)) {
      const uint32_t lost = give_up(packets + done, count - done, errno, row);
      if (lost == 0) break;
      done += lost;
      continue;
    }
    for (int i = 0; i < sent; ++i) {
      sent_uso_ |= headers_[i].gso_type == virtio::kGsoUdp;
      if (OVERLANE_UNLIKELY(packets[done]->flags & kTrain)) count_train(*packets[done], row);
      release(packets[done++]);
    }
  }
  return done;
}

}  // namespace overlane
