// rtnetlink: requests, their acknowledgment with the kernel's own words (NETLINK_EXT_ACK), and attributes.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstdint>
#include <functional>
#include <string>

#include "core/bytes.h"
#include "net/netns.h"

namespace overlane {

// A request: a family header such as ifinfomsg, then attributes. What does not fit is a bug of the caller, not input.
class NetlinkRequest {
 public:
  template <typename Family>
  NetlinkRequest(uint16_t type, uint16_t flags, const Family& family) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    append(&header, sizeof header);
    append(&family, sizeof family);
  }
  void put(uint16_t attribute, const void* value, size_t length);
  void put(uint16_t attribute, uint32_t value) { put(attribute, &value, sizeof value); }

 private:
  friend class Netlink;
  void append(const void* bytes, size_t length);

  alignas(nlmsghdr) uint8_t bytes_[512];
  uint32_t length_ = 0;
};

// A socket in the namespace of the thread that opens it, whichever thread uses it later.
class Netlink {
 public:
  Netlink() = default;
  ~Netlink();
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;

  // `groups` (RTMGRP_LINK, …): to be told of changes; the socket is then non-blocking and for receive() only.
  NetResult open(uint32_t groups = 0);
  int fd() const { return fd_; }

  // Sends a request and hands every message of the answer to `each`. 0 or an errno; reason() is then what the kernel
  // says beyond it, perhaps nothing.
  using Each = std::function<void(const nlmsghdr&)>;
  int ask(NetlinkRequest& request, const Each& each = nullptr);
  const std::string& reason() const { return reason_; }
  // Whether what was listed changed meanwhile (NLM_F_DUMP_INTR), so that something may be missing or there twice.
  bool interrupted() const { return interrupted_; }
  // The same with an error in words: "cannot <what>: …".
  NetResult perform(NetlinkRequest& request, const std::string& what);
  NetResult failure(int error, const std::string& what) const;

  // Hands on what waits in a socket with groups, or a good part of it. 0, or ENOBUFS: some changes were lost, read
  // everything anew.
  int receive(const Each& each);

 private:
  int acknowledged(const nlmsghdr& message);

  int fd_ = -1;
  uint32_t sequence_ = 0;
  bool interrupted_ = false;
  std::string reason_;
};

// Calls `each` for the attributes that lie in `length` bytes.
template <typename F>
void each_attribute(const void* first, size_t length, F each) {
  const auto* at = static_cast<const uint8_t*>(first);
  while (length >= sizeof(rtattr)) {
    const auto attribute = load<rtattr>(at);
    if (attribute.rta_len < sizeof(rtattr) || attribute.rta_len > length) return;
    each(static_cast<uint16_t>(attribute.rta_type & NLA_TYPE_MASK), at + sizeof(rtattr),
         static_cast<size_t>(attribute.rta_len - sizeof(rtattr)));
    const size_t step = RTA_ALIGN(attribute.rta_len);
    if (step >= length) return;
    at += step;
    length -= step;
  }
}

// The attributes behind the family header of a message.
template <typename Family, typename F>
void each_attribute_of(const nlmsghdr& message, F each) {
  constexpr size_t kFamily = NLMSG_SPACE(sizeof(Family));
  if (message.nlmsg_len < kFamily) return;
  each_attribute(reinterpret_cast<const uint8_t*>(&message) + kFamily, message.nlmsg_len - kFamily, each);
}

}  // namespace overlane
