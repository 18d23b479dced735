#include "port/udp_socket.h"

#include <linux/errqueue.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/link_message.h"

namespace overlane {

namespace {

constexpr uint32_t kMaxErrors = 4096;  // read from an error queue at once: more than its room holds
constexpr uint32_t kMaxAttempts = 4;   // at sending, when errors of earlier datagrams get in the way
constexpr Nanos kSecond = 1'000'000'000;

// False: none of the extended errors that IP_RECVERR gives.
bool find_error(msghdr& message, sock_extended_err& error) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    const bool v4 = c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR;
    const bool v6 = c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR;
    if ((!v4 && !v6) || c->cmsg_len < CMSG_LEN(sizeof error)) continue;
    error = load<sock_extended_err>(CMSG_DATA(c));
    return true;
  }
  return false;
}

bool is_full(int error) {
  return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

// Only ICMP brings these: nobody listens there (yet). Not about what is sent now.
bool is_refusal(int error) {
  return error == ECONNREFUSED || error == ENOPROTOOPT || error == EPROTO;
}

}  // namespace

SocketPort::SocketPort(uint32_t headers, uint32_t mtu, bool follows_link, const char* what)
    : headers_(headers), follows_link_(follows_link), what_(what), slots_(new Slot[kBatch]) {
  set_mtu(mtu);
  for (uint32_t i = 0; i < kBatch; ++i) {
    messages_[i] = {};
    msghdr& header = messages_[i].msg_hdr;
    header.msg_name = &slots_[i].from;
    header.msg_iov = slots_[i].parts;
    header.msg_iovlen = 2;
    header.msg_control = slots_[i].control;
  }
}

// What was read and not handed on was not counted either.
SocketPort::~SocketPort() {
  for (; next_ < filled_; ++next_) {
    release(slots_[next_].small);
    release(slots_[next_].large);
  }
}

void SocketPort::set_mtu(uint32_t mtu) {
  mtu = std::min(mtu, kMaxIp);
  longest_ = mtu > headers_ ? mtu - headers_ : 0;
}

void SocketPort::link_changed(const LinkInfo& link) {
  if (follows_link_ && link.mtu != 0) set_mtu(link.mtu);
}

void SocketPort::attend(int fd, Nanos now) {
  drain_errors(fd, now);
  int ignored;
  socklen_t length = sizeof ignored;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &ignored, &length);  // an error without an entry would be there for ever
}

// True when the kernel itself refused a datagram for its size, and not a router.
bool SocketPort::drain_errors(int fd, Nanos now) {
  bool refused = false;
  for (uint32_t i = 0; i < kMaxErrors; ++i) {
    SocketAddress to{};
    alignas(cmsghdr) uint8_t control[256];
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = sizeof to.v6;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) break;
    sock_extended_err error;
    if (!find_error(message, error) || error.ee_errno != EMSGSIZE) continue;
    const bool ours = error.ee_origin == SO_EE_ORIGIN_LOCAL;
    refused |= ours;
    if (!ours && !tells_icmp_) continue;
    if (message.msg_namelen != 0 && error.ee_info != 0) report_mtu(ip_of(to), error.ee_info, now);
  }
  return refused;
}

void SocketPort::report_mtu(const IpAddress& peer, uint32_t value, Nanos now) {
  for (const KnownMtu& known : known_mtus_) {
    if (known.peer == peer && known.value == value && now >= known.time && now - known.time < kSecond) return;
  }
  known_mtus_[oldest_mtu_] = {peer, value, now};
  oldest_mtu_ = (oldest_mtu_ + 1) % std::size(known_mtus_);
  Event event;
  event.kind = EventKind::mtu;
  event.ip = peer;
  event.value = value;
  tell(event, now);
}

void SocketPort::fail(const std::string& why, Nanos now) {
  if (!error_.empty()) return;
  error_ = why;
  tell_failure(now);
}

bool SocketPort::send_messages(int fd, mmsghdr* messages, uint32_t count, CounterRow& row) {
  const auto size_of = [&](uint32_t i) { return static_cast<uint32_t>(messages[i].msg_hdr.msg_iov->iov_len); };
  bool all = true;
  IpAddress narrow;  // the peer for which a size was refused: no need to ask again
  uint32_t too_big = UINT32_MAX;
  for (uint32_t at = 0, attempt = 1; at < count;) {
    int error = EMSGSIZE;
    const IpAddress peer = ip_of(*static_cast<const SocketAddress*>(messages[at].msg_hdr.msg_name));
    if (size_of(at) < too_big || peer != narrow) {
      const int sent = sendmmsg(fd, &messages[at], count - at, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (OVERLANE_LIKELY(sent > 0)) {
        at += static_cast<uint32_t>(sent);
        attempt = 1;
        continue;
      }
      error = errno;
      if (should_retry(fd, error, attempt++)) continue;
    }
    if (error == EMSGSIZE) {
      narrow = peer;
      too_big = size_of(at);
    }
    lose_datagrams(1, size_of(at), reason_of(error, peer), row);
    all = false;
    attempt = 1;
    ++at;
  }
  return all;
}

// An error may be that of an earlier datagram, which ICMP brought; it is in the way until it is read.
bool SocketPort::should_retry(int fd, int error, uint32_t attempt) {
  if (is_full(error) || error == EINVAL || error == EIO || error == EPERM) return false;
  const bool refused = drain_errors(fd, now_);
  return !refused && attempt < kMaxAttempts;
}

Counter SocketPort::reason_of(int error, const IpAddress& peer) {
  if (is_full(error) || is_refusal(error)) return Counter::drop_port_full;
  if (error == EMSGSIZE) return Counter::drop_mtu;
  fail("cannot send to " + to_text(peer) + ": " + std::strerror(error) +
           (error == EPERM ? "; does a firewall rule forbid it?" : ""),
       now_);
  return Counter::drop_port_error;
}

void SocketPort::lose_datagrams(uint32_t count, uint64_t bytes, Counter reason, CounterRow& row) {
  row.add(reason, count);
  row.add(Counter::tx_packets, uint64_t{0} - count);
  row.add(Counter::tx_bytes, uint64_t{0} - bytes);
}

void SocketPort::lose_sealed(Packet* packet, const Datagram& datagram, Counter reason, CounterRow& row) {
  const uint32_t stride = stride_of(*packet, datagram);
  row.add(reason, stride == 0 ? 1 : (packet->length + stride - 1) / stride);
  row.add(Counter::tx_packets, uint64_t{0} - 1);
  row.add(Counter::tx_bytes, uint64_t{0} - packet->length);
  release(packet);
}

}  // namespace overlane
