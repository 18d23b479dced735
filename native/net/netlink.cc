#include "net/netlink.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace overlane {

namespace {

constexpr size_t kReceiveBuffer = 32768;  // what the kernel fills at most with one part of a dump
constexpr unsigned kTurns = 64;           // a flood of changes is read in portions
constexpr timeval kPatience{5, 0};        // the kernel answers at once; never hang on it all the same

}  // namespace

void NetlinkRequest::append(const void* bytes, size_t length) {
  const size_t aligned = NLMSG_ALIGN(length);
  if (length_ + aligned > sizeof bytes_) std::abort();
  std::memset(bytes_ + length_, 0, aligned);
  std::memcpy(bytes_ + length_, bytes, length);
  length_ += static_cast<uint32_t>(aligned);
}

void NetlinkRequest::put(uint16_t attribute, const void* value, size_t length) {
  const rtattr header{static_cast<uint16_t>(sizeof(rtattr) + length), attribute};
  append(&header, sizeof header);
  append(value, length);
}

Netlink::~Netlink() {
  if (fd_ >= 0) close(fd_);
}

NetResult Netlink::open(uint32_t groups) {
  const int flags = groups == 0 ? 0 : SOCK_NONBLOCK;
  fd_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE);
  if (fd_ < 0) return net_error(errno, "open a netlink socket");
  const int on = 1;
  // Only better messages: an old kernel may refuse.
  setsockopt(fd_, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd_, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  // Lists what was asked for and no more; an old kernel lists all, and who asks looks at every row anyway.
  setsockopt(fd_, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return net_error(errno, "bind a netlink socket");
  }
  return {};
}

// The errno of an NLMSG_ERROR or NLMSG_DONE, 0 for success; keeps the kernel's words.
int Netlink::acknowledged(const nlmsghdr& message) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&message);
  if (message.nlmsg_len < NLMSG_HDRLEN + sizeof(int32_t)) return 0;
  const int error = -load<int32_t>(bytes + NLMSG_HDRLEN);
  constexpr size_t kFixed = NLMSG_HDRLEN + sizeof(nlmsgerr);
  if (message.nlmsg_type == NLMSG_ERROR && (message.nlmsg_flags & NLM_F_ACK_TLVS) && message.nlmsg_len > kFixed) {
    each_attribute(bytes + kFixed, message.nlmsg_len - kFixed, [&](uint16_t type, const uint8_t* value, size_t n) {
      const auto* words = reinterpret_cast<const char*>(value);
      if (type == NLMSGERR_ATTR_MSG) reason_.assign(words, strnlen(words, n));
    });
  }
  return error;
}

int Netlink::ask(NetlinkRequest& request, const Each& each) {
  reason_.clear();
  interrupted_ = false;
  nlmsghdr& header = *reinterpret_cast<nlmsghdr*>(request.bytes_);
  const bool dump = (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  header.nlmsg_len = request.length_;
  header.nlmsg_seq = ++sequence_;
  if (!dump) header.nlmsg_flags |= NLM_F_ACK;
  if (send(fd_, request.bytes_, request.length_, 0) < 0) return errno;
  alignas(nlmsghdr) uint8_t buffer[kReceiveBuffer];
  for (;;) {
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN ? ETIMEDOUT : errno;
    auto left = static_cast<uint32_t>(n);
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_seq != sequence_) continue;  // the late end of a request that timed out
      interrupted_ |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0 && message->nlmsg_type != NLMSG_ERROR;
      if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) return acknowledged(*message);
      if (each) each(*message);
    }
  }
}

NetResult Netlink::failure(int error, const std::string& what) const {
  NetResult result = net_error(error, what, "CAP_NET_ADMIN");
  if (!reason_.empty()) result.message += " (the kernel says: " + reason_ + ")";
  return result;
}

NetResult Netlink::perform(NetlinkRequest& request, const std::string& what) {
  const int error = ask(request);
  return error == 0 ? NetResult{} : failure(error, what);
}

int Netlink::receive(const Each& each) {
  alignas(nlmsghdr) uint8_t buffer[kReceiveBuffer];
  for (unsigned turn = 0; turn < kTurns; ++turn) {
    const ssize_t n = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN ? 0 : errno;
    auto left = static_cast<uint32_t>(n);
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      each(*message);
    }
  }
  return 0;
}

}  // namespace overlane
