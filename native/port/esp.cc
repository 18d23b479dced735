#include "port/esp.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "wire/ipv4.h"

namespace overlane {

namespace {

constexpr uint32_t kIpv4Header = 20;
constexpr uint32_t kIpv6Header = 40;

void refuse_malformed(Packet* packet, CounterRow& row) {
  row.add(Counter::rx_packets);
  row.add(Counter::rx_bytes, packet->length);
  row.add(Counter::drop_underlay_malformed);
  release(packet);
}

}  // namespace

EspSocket::~EspSocket() {
  if (fd >= 0) close(fd);
}

EspPort::EspPort(const Options& options, EspSocket socket, uint32_t mtu, uint32_t scope, bool first)
    : SocketPort(options.local.is_v4() ? kIpv4Header : kIpv6Header, mtu, options.mtu == 0, "raw socket"),
      v4_(options.local.is_v4()),
      socket_(std::move(socket)),
      scope_(scope),
      outgoing_(new Outgoing[kMaxMessages]),
      messages_(new mmsghdr[kMaxMessages]) {
  tells_icmp_ = first;
  sends_itself_ = true;
}

bool strip_ipv4(Packet& packet, Datagram& datagram) {
  if (packet.length < sizeof(Ipv4)) return false;
  const auto ip = load<Ipv4>(packet.data);
  const uint32_t header = (ip.version_ihl & 0xfu) * 4;
  if (ip.version_ihl >> 4 != 4 || header < sizeof(Ipv4)) return false;
  if (ip.total_length < header || ip.total_length > packet.length) return false;
  packet.data += header;
  packet.length = ip.total_length - header;
  datagram.tos = ip.tos;
  return true;
}

uint32_t EspPort::receive(Packet** packets, uint32_t max, Nanos now, Nanos, Pools& pools, CounterRow& row) {
  count_lost_events(row);
  const auto hand_on = [&](Packet* packet, const Control&, Packet** to, uint32_t) -> uint32_t {
    if (v4_) {
      Datagram datagram = datagram_of(*packet);
      if (OVERLANE_UNLIKELY(!strip_ipv4(*packet, datagram))) return refuse_malformed(packet, row), 0;
      set_datagram(*packet, datagram);
    }
    *to = packet;
    return 1;
  };
  return receive_each(socket_.fd, packets, 0, max, now, pools, row, hand_on);
}

// Packets are given up at the end, since messages point into them until then.
uint32_t EspPort::transmit(Packet** packets, uint32_t count, CounterRow& row) {
  if (count == 0) return 0;
  now_ = packets[0]->time;
  uint32_t held = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (OVERLANE_LIKELY(load_packet(packets[i], row))) packets[held++] = packets[i];
  }
  send(row);
  for (uint32_t i = 0; i < held; ++i) release(packets[i]);
  count_lost_events(row);
  return count;
}

// False: it is lost, and released already.
bool EspPort::load_packet(Packet* packet, CounterRow& row) {
  const Datagram datagram = datagram_of(*packet);
  if (OVERLANE_UNLIKELY(datagram.peer.is_v4() != v4_)) {
    lose_sealed(packet, datagram, reason_of(EAFNOSUPPORT, datagram.peer), row);
    return false;
  }
  const uint32_t stride = stride_of(*packet, datagram);
  if (OVERLANE_UNLIKELY(stride > longest_)) {
    lose_sealed(packet, datagram, Counter::drop_mtu, row);
    return false;
  }
  uint32_t count = 0;
  uint32_t at = 0;
  do {
    const uint32_t size = std::min(stride, packet->length - at);
    if (loaded_ == kMaxMessages) send(row);
    add_message(datagram, packet->data + at, size);
    at += size;
    ++count;
  } while (at < packet->length);
  row.add(Counter::tx_packets, count - 1);  // the stage that made the train counted them as segmented
  return true;
}

void EspPort::add_message(const Datagram& datagram, uint8_t* data, uint32_t size) {
  Outgoing& out = outgoing_[loaded_];
  out.to = socket_address(datagram.peer, 0, scope_);
  out.part = {data, size};
  out.control = SendControl(v4_, datagram.tos, 0);
  mmsghdr& each = messages_[loaded_++];
  each = {};
  msghdr& message = each.msg_hdr;
  message.msg_name = &out.to;
  message.msg_namelen = out.to.length;
  message.msg_iov = &out.part;
  message.msg_iovlen = 1;
  message.msg_control = out.control.each == 0 ? nullptr : out.control.bytes;
  message.msg_controllen = out.control.each;
}

void EspPort::send(CounterRow& row) {
  send_messages(socket_.fd, messages_.get(), loaded_, row);
  loaded_ = 0;
}

}  // namespace overlane
