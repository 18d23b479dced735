#include "port/udp.h"

#include <linux/errqueue.h>
#include <unistd.h>

#include <algorithm>

namespace overlane {

namespace {

constexpr uint32_t kUdpOverV4 = 28;
constexpr uint32_t kUdpOverV6 = 48;
constexpr uint32_t kMaxIp = 65535;
constexpr uint32_t kMaxErrors = 64;  // read from an error queue at once
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

}  // namespace

UdpSockets::~UdpSockets() {
  if (receiver >= 0) close(receiver);
  for (int fd : senders) close(fd);
}

UdpPort::UdpPort(const Options& options, UdpSockets sockets, uint32_t mtu, uint32_t scope)
    : options_(options),
      sockets_(std::move(sockets)),
      scope_(scope),
      headers_(options.local.is_v4() ? kUdpOverV4 : kUdpOverV6),
      gso_(options.gso),
      trains_(new UdpTrain[sockets_.senders.size()]),
      each_(new mmsghdr[UdpTrain::kMaxDatagrams]),
      slots_(new Slot[kBatch]) {
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
UdpPort::~UdpPort() {
  for (; next_ < filled_; ++next_) {
    release(slots_[next_].small);
    release(slots_[next_].large);
  }
  for (; split_next_ < split_count_; ++split_next_) release(split_[split_next_]);
}

void UdpPort::set_mtu(uint32_t mtu) {
  mtu = std::min(mtu, kMaxIp);
  longest_ = mtu > headers_ ? mtu - headers_ : 0;
}

std::vector<Port::Descriptor> UdpPort::descriptors() const {
  std::vector<Descriptor> all{{sockets_.receiver, true}};
  for (int fd : sockets_.senders) all.push_back({fd, false});
  return all;
}

void UdpPort::link_changed(const LinkInfo& link) {
  if (options_.mtu == 0 && link.mtu != 0) set_mtu(link.mtu);
}

void UdpPort::attend(int fd, Nanos now) {
  if (fd != sockets_.receiver) drain_errors(fd, now);
  int ignored;
  socklen_t length = sizeof ignored;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &ignored, &length);  // an error without an entry would be there for ever
}

// True when the kernel itself refused a datagram for its size, and not a router.
bool UdpPort::drain_errors(int fd, Nanos now) {
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
    refused |= error.ee_origin == SO_EE_ORIGIN_LOCAL;
    if (message.msg_namelen != 0 && error.ee_info != 0) report_mtu(ip_of(to), error.ee_info, now);
  }
  return refused;
}

void UdpPort::report_mtu(const IpAddress& peer, uint32_t value, Nanos now) {
  for (const KnownMtu& known : known_mtus_) {
    if (known.peer == peer && known.value == value && now >= known.time && now - known.time < kSecond) return;
  }
  known_mtus_[oldest_mtu_] = {peer, value, now};
  oldest_mtu_ = (oldest_mtu_ + 1) % std::size(known_mtus_);
  Event event;
  event.kind = EventKind::mtu;
  event.ip = peer;
  event.value = value;
  push(event, now);
}

void UdpPort::push(Event event, Nanos now) {
  event.port = index_;
  event.time = now;
  if (events_ != nullptr && !events_->push(event)) ++lost_events_;
}

// attend() has no counters at hand.
void UdpPort::count_lost_events(CounterRow& row) {
  if (OVERLANE_LIKELY(lost_events_ == 0)) return;
  row.add(Counter::event_lost, lost_events_);
  lost_events_ = 0;
}

void UdpPort::fail(const std::string& why, Nanos now) {
  if (!error_.empty()) return;
  error_ = why;
  Event event;
  event.kind = EventKind::failure;
  push(event, now);
}

}  // namespace overlane
