#include "port/udp.h"

#include <unistd.h>

namespace overlane {

namespace {

constexpr uint32_t kUdpOverV4 = 28;
constexpr uint32_t kUdpOverV6 = 48;

}  // namespace

UdpSockets::~UdpSockets() {
  if (receiver >= 0) close(receiver);
  for (int fd : senders) close(fd);
}

UdpPort::UdpPort(const Options& options, UdpSockets sockets, uint32_t mtu, uint32_t scope)
    : SocketPort(options.local.is_v4() ? kUdpOverV4 : kUdpOverV6, mtu, options.mtu == 0, "UDP socket"),
      options_(options),
      sockets_(std::move(sockets)),
      scope_(scope),
      gso_(options.gso),
      trains_(new UdpTrain[sockets_.senders.size()]),
      each_(new mmsghdr[kMaxTrain]) {}

// What was taken apart and not handed on was not counted either.
UdpPort::~UdpPort() {
  for (; split_next_ < split_count_; ++split_next_) release(split_[split_next_]);
}

std::vector<Port::Descriptor> UdpPort::descriptors() const {
  std::vector<Descriptor> all{{sockets_.receiver, true}};
  for (int fd : sockets_.senders) all.push_back({fd, false});
  return all;
}

}  // namespace overlane
