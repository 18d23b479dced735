#include "port/xdp.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "offload/merge.h"
#include "stage/parse.h"

namespace overlane {

namespace {

constexpr Nanos kStatisticsInterval = 100'000'000;
constexpr uint32_t kAhead = 4;  // frames to prefetch

// By whole cache lines, up to one too much: frames end at a line, and packets have their tailroom. The frames to
// receive into lie before those to transmit from, so that nothing beyond the memory is read, wherever a frame starts.
OVERLANE_INLINE void copy_lines(uint8_t* to, const uint8_t* from, uint32_t length) {
  std::memcpy(to, from, kCacheLine);
  for (uint32_t at = kCacheLine; at < length; at += kCacheLine) std::memcpy(to + at, from + at, kCacheLine);
}
static_assert(kTailroom >= kCacheLine);

}  // namespace

Nanos XdpPort::next_due() {
  for (const auto& queue : attachment_->queues) {
    if (queue->socket.received.readable() > 0) return kNow;
  }
  return kNever;
}

uint32_t XdpPort::receive(Packet** packets, uint32_t max, Nanos now, Nanos, Pools& pools, CounterRow& row) {
  const auto& queues = attachment_->queues;
  const bool statistics = now >= next_statistics_;
  if (OVERLANE_UNLIKELY(statistics)) next_statistics_ = now + kStatisticsInterval;
  uint32_t count = 0;
  for (size_t i = 0; i < queues.size(); ++i) {
    Queue& queue = *queues[turn_];
    turn_ = turn_ + 1 == queues.size() ? 0 : turn_ + 1;
    if (count < max) count += take(queue, packets + count, max - count, now, pools, row);
    const bool emptied = queue.was_full && queue.socket.received.readable() == 0;
    if (OVERLANE_UNLIKELY(statistics || emptied)) read_statistics(queue, row);
  }
  return count;
}

uint32_t XdpPort::take(Queue& queue, Packet** packets, uint32_t max, Nanos now, Pools& pools, CounterRow& row) {
  XdpSocket& socket = queue.socket;
  const uint32_t waiting = socket.received.readable();
  const uint32_t wanted = std::min(waiting, max);
  queue.was_full |= waiting == socket.received.size();
  uint32_t count = 0;
  for (; count < wanted; ++count) {
    const xdp_desc from = socket.received.at(count);
    Packet* packet = pools.take(from.len);
    if (OVERLANE_UNLIKELY(packet == nullptr)) {
      row.add(Counter::rx_pool_empty);
      break;
    }
    if (count + kAhead < wanted) prefetch_read(socket.frame(socket.received.at(count + kAhead).addr));
    copy_lines(packet->data, socket.frame(from.addr), from.len);
    packet->length = from.len;
    packet->time = now;
    // A kernel's stack at the other end of a veth leaves the checksum to hardware that is not there, and XDP has no
    // place to say so. A frame that hardware wrote here by itself came over a wire.
    if (!socket.zero_copy() && has_partial_checksum(packet->data, parse_frame(packet->data, packet->length))) {
      packet->flags = kPartialChecksum;
    }
    packets[count] = packet;
    socket.fill.at(count) = socket.base(from.addr);
  }
  if (count > 0) {
    socket.fill.pass(count);
    socket.received.pass(count);
  }
  if (OVERLANE_UNLIKELY(socket.fill.needs_wakeup()) && !broken_) socket.wake_receive();
  return count;
}

void XdpPort::read_statistics(Queue& queue, CounterRow& row) {
  const uint64_t dropped = queue.socket.dropped();
  row.add(Counter::rx_kernel_dropped, dropped - queue.dropped);
  queue.dropped = dropped;
  queue.was_full = false;
}

Counter XdpPort::refusal() const {
  return broken_ || link_down_ || down_ ? Counter::drop_link_down : Counter::drop_port_full;
}

uint32_t XdpPort::transmit(Packet** packets, uint32_t count, CounterRow& row) {
  if (OVERLANE_UNLIKELY(broken_ || link_down_)) return 0;
  Queue& queue = *attachment_->queues.front();
  reclaim(queue);
  if (OVERLANE_UNLIKELY(down_ || queue.socket.free.size() < count)) {
    kick(queue, row);  // what the kernel did not take before
    if (broken_ || down_) return 0;
    reclaim(queue);
  }
  const auto taken = static_cast<uint32_t>(std::min<size_t>(count, queue.socket.free.size()));
  uint32_t used = 0;
  for (uint32_t i = 0; i < taken; ++i) {
    Packet* packet = packets[i];
    // The engine minds the MTU; this keeps any other caller from writing past the frame. The kernel never gives back
    // a frame without a byte.
    if (OVERLANE_UNLIKELY(packet->length > queue.socket.frame_size() || packet->length == 0)) {
      lose(packet, packet->length == 0 ? Counter::drop_malformed : Counter::drop_mtu, row);
      continue;
    }
    const uint64_t address = queue.socket.free.back();
    queue.socket.free.pop_back();
    copy_lines(queue.socket.frame(address), packet->data, packet->length);
    queue.socket.transmit.at(used++) = {address, packet->length, 0};
    release(packet);
  }
  queue.socket.transmit.pass(used);
  kick(queue, row);
  return taken;
}

void XdpPort::reclaim(Queue& queue) {
  const uint32_t count = queue.socket.done.readable();
  for (uint32_t i = 0; i < count; ++i) queue.socket.free.push_back(queue.socket.base(queue.socket.done.at(i)));
  queue.socket.done.pass(count);
}

// Has the kernel send what lies in the ring. In copy mode it does so within the call, 32 frames at a time (its
// TX_BATCH_SIZE): EAGAIN asks for another call if it got on, and says that the driver is full if it did not; EBUSY says
// that the last frame it took was dropped. What stays in the ring goes with the next burst.
void XdpPort::kick(Queue& queue, CounterRow& row) {
  XdpRing<xdp_desc>& ring = queue.socket.transmit;
  for (uint32_t turns = ring.pending() + 1; turns > 0 && ring.pending() > 0 && ring.needs_wakeup(); --turns) {
    const uint32_t before = ring.kernels();
    const int error = queue.socket.wake_transmit();
    down_ = error == ENETDOWN;
    if (OVERLANE_UNLIKELY(error == ENXIO)) {
      const uint32_t first = ring.kernels();
      for (uint32_t i = 0, n = ring.pending(); i < n; ++i) count_lost(queue, first + i, Counter::drop_link_down, row);
      return gone();
    }
    if (queue.socket.zero_copy()) return;  // the driver goes on by itself
    const uint32_t after = ring.kernels();
    if (error == EBUSY) {
      // The kernel publishes its index only when it sent something.
      const bool known = static_cast<int32_t>(queue.lost_to - before) > 0;
      const uint32_t lost = after != before ? after - 1 : known ? queue.lost_to : before;
      queue.lost_to = lost + 1;
      count_lost(queue, lost, Counter::drop_port_full, row);
    } else if (error != EAGAIN || after == before) {
      return;
    }
  }
}

void XdpPort::count_lost(Queue& queue, uint32_t index, Counter reason, CounterRow& row) {
  row.add(reason);
  row.add(Counter::tx_packets, uint64_t{0} - 1);
  row.add(Counter::tx_bytes, uint64_t{0} - queue.socket.transmit.entry(index).len);
}

std::vector<Port::Descriptor> XdpPort::descriptors() const {
  std::vector<Descriptor> all;
  if (broken_) return all;
  for (const auto& queue : attachment_->queues) all.push_back({queue->socket.fd(), true});
  return all;
}

// Linux before 5.11 reports an interface that is gone like this.
void XdpPort::attend(int fd, Nanos) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error != 0) gone();
}

// For the user: what the port suffers from.
void XdpPort::report(const NetResult& failure) {
  if (error_ == failure.message) return;
  error_code_ = failure.code;
  error_ = failure.message;
  tell_failure(0);
}

void XdpPort::gone() {
  broken_ = true;
  report({"ERR_OVERLANE_MISSING",
          "the interface " + options_.interface + " is gone; the port goes on when there is one of that name again"});
}

void XdpPort::link_changed(const LinkInfo& link) {
  link_down_ = link.state != LinkState::up;
  if (link.state == LinkState::gone) return gone();
  if (link.index != interface_index_ || broken_) {
    LinkDetails details;
    const NetResult opened = open(details);
    broken_ = !opened;
    if (!opened) return report({opened.code, "after " + options_.interface + " came back: " + opened.message});
    down_ = false;
  }
  const uint32_t most = attachment_->queues.front()->socket.largest_mtu();
  if (link.mtu <= most) return error_.clear();
  report({"ERR_OVERLANE_OPTION", "the MTU of " + options_.interface + " is now " + std::to_string(link.mtu) +
                                     ", and frames for more than " + std::to_string(most) +
                                     " are dropped: lower it, or close the port and open it again"});
}

}  // namespace overlane
