#include "net/probe.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/time.h"
#include "net/link.h"
#include "wire/arp.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace overlane {

namespace {

constexpr int kIgnoreOutgoing = 23;    // PACKET_IGNORE_OUTGOING of Linux 4.20
constexpr unsigned kMostFrames = 256;  // read in one go, so that a flood does not hold up the probes
constexpr uint8_t kSolicitedNode[16] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};  // and the last three bytes

struct SolicitationFrame {
  Ethernet ethernet;
  Ipv6 ip;
  NeighborMessage message;
};

Nanos monotonic() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return Nanos{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// From 0.0.0.0, so that nobody learns anything (RFC 5227, section 2.1.1).
size_t write_request(uint8_t* to, const Probe& probe) {
  write_arp(*reinterpret_cast<ArpFrame*>(to), arp::kRequest, kBroadcast, probe.mac, kNobody4, 0, probe.ip);
  return sizeof(ArpFrame);
}

size_t write_solicitation(uint8_t* to, const Probe& probe) {
  SolicitationFrame frame{};
  frame.ip.version_class_flow = 6u << 28;
  frame.ip.payload_length = sizeof frame.message;
  frame.ip.next_header = ip_protocol::kIcmpv6;
  frame.ip.hop_limit = nd::kHopLimit;
  frame.message.icmp.type = nd::kSolicitation;
  probe.ip.write(frame.message.target);
  std::memcpy(frame.ip.destination, kSolicitedNode, 13);
  std::memcpy(frame.ip.destination + 13, frame.message.target + 13, 3);
  frame.ethernet.destination[0] = frame.ethernet.destination[1] = 0x33;
  std::memcpy(frame.ethernet.destination + 2, frame.ip.destination + 12, 4);
  store_mac(frame.ethernet.source, probe.mac);
  frame.ethernet.ether_type = ether_type::kIpv6;
  constexpr uint32_t kLength = sizeof frame.message;
  const uint64_t pseudo = checksum_pseudo_ipv6(frame.ip.source, frame.ip.destination, ip_protocol::kIcmpv6, kLength);
  const uint16_t sum = checksum_fold(checksum_add(reinterpret_cast<uint8_t*>(&frame.message), kLength, pseudo));
  store<uint16_t>(&frame.message.icmp.checksum, ~sum);
  std::memcpy(to, &frame, sizeof frame);
  return sizeof frame;
}

// The frame to send, tagged where it is to be.
size_t write_probe(uint8_t* to, const Probe& probe) {
  const size_t length = probe.ip.is_v4() ? write_request(to, probe) : write_solicitation(to, probe);
  if (!probe.vlan) return length;
  std::memmove(to + 16, to + 12, length - 12);
  store_be16(to + 12, ether_type::kVlan);
  store_be16(to + 14, *probe.vlan);
  return length + 4;
}

std::optional<Mac> claims_by_arp(const Probe& probe, const uint8_t* frame, size_t length) {
  if (length < sizeof(ArpFrame)) return {};
  const auto& arp = reinterpret_cast<const ArpFrame*>(frame)->arp;
  if (!is_ipv4_over_ethernet(arp)) return {};
  const Mac sender = load_mac(arp.sender_mac);
  const IpAddress from = IpAddress::v4(arp.sender_ip);
  const bool has = from == probe.ip;
  const bool wants = arp.operation == arp::kRequest && from == kNobody4 && IpAddress::v4(arp.target_ip) == probe.ip;
  if ((!has && !wants) || sender == probe.mac || is_group(sender)) return {};
  return sender;
}

std::optional<Mac> claims_by_nd(const Probe& probe, const uint8_t* frame, size_t length, bool check_sum) {
  if (length < sizeof(SolicitationFrame)) return {};
  const auto& in = *reinterpret_cast<const SolicitationFrame*>(frame);
  const uint32_t size = in.ip.payload_length;
  const size_t there = length - sizeof(Ethernet) - sizeof(Ipv6);
  if (in.ip.next_header != ip_protocol::kIcmpv6 || in.ip.hop_limit != nd::kHopLimit || in.message.icmp.code != 0 ||
      size < sizeof(NeighborMessage) || size > there) {
    return {};
  }
  const auto* message = frame + sizeof(Ethernet) + sizeof(Ipv6);
  const uint64_t pseudo = checksum_pseudo_ipv6(in.ip.source, in.ip.destination, ip_protocol::kIcmpv6, size);
  if (check_sum && checksum_fold(checksum_add(message, size, pseudo)) != 0xffff) return {};
  if (IpAddress::v6(in.message.target) != probe.ip) return {};
  const bool has = in.message.icmp.type == nd::kAdvertisement;
  const bool wants = in.message.icmp.type == nd::kSolicitation && IpAddress::v6(in.ip.source) == IpAddress{};
  if (!has && !wants) return {};
  Mac owner = source_mac(frame);
  if (has && size >= sizeof(NeighborMessage) + sizeof(LinkLayerOption)) {
    const auto& option = *reinterpret_cast<const LinkLayerOption*>(message + sizeof(NeighborMessage));
    if (option.type == nd::kTargetLinkLayer && option.length == 1) owner = load_mac(option.mac);
  }
  if (owner == probe.mac || is_group(owner)) return {};
  return owner;
}

// Only ARP, or ICMPv6 neighbor messages: a busy link must not fill the buffer. The kernel has taken the tag off by
// then.
bool filter(int fd, bool ipv4) {
  sock_filter arp[] = {
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ether_type::kArp, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 256),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  sock_filter nd[] = {
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ether_type::kIpv6, 0, 6),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ip_protocol::kIcmpv6, 0, 4),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nd::kSolicitation, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nd::kAdvertisement, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 2048),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  const sock_fprog program = ipv4 ? sock_fprog{std::size(arp), arp} : sock_fprog{std::size(nd), nd};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

class Socket {
 public:
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }

  NetResult open(const Probe& probe) {
    LinkDetails link;
    const NetResult found = find_link(probe.interface, link);
    if (!found) return found;
    fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ < 0) return net_error(errno, "open a packet socket", "CAP_NET_RAW");
    const int on = 1;
    setsockopt(fd_, SOL_PACKET, kIgnoreOutgoing, &on, sizeof on);  // else our own come back, which are known as such
    packet_mreq all{};
    all.mr_ifindex = static_cast<int>(link.index);
    all.mr_type = PACKET_MR_PROMISC;  // answers are for the MAC that asks
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);  // by another the tag would be gone
    address.sll_ifindex = all.mr_ifindex;
    if (!filter(fd_, probe.ip.is_v4()) || setsockopt(fd_, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) != 0 ||
        setsockopt(fd_, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) != 0 ||
        bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      return net_error(errno, "listen on " + probe.interface, "CAP_NET_RAW");
    }
    return {};
  }

  NetResult send_probe(const Probe& probe) {
    uint8_t frame[128];
    const size_t length = write_probe(frame, probe);
    if (send(fd_, frame, length, 0) == static_cast<ssize_t>(length)) return {};
    if (errno == ENOBUFS || errno == EAGAIN) return {};  // as good as lost on the way; there are more
    return net_error(errno, "send on " + probe.interface);
  }

  // Waits until `until` for somebody who claims the address. False: nobody.
  NetResult listen(const Probe& probe, Nanos until, std::optional<Mac>& owner) {
    for (;;) {
      const Nanos left = until - monotonic();
      pollfd wait{fd_, POLLIN, 0};
      const int ready = left <= 0 ? 0 : poll(&wait, 1, static_cast<int>((left + 999'999) / 1'000'000));
      if (ready == 0) return {};
      if (ready < 0 && errno != EINTR) return net_error(errno, "wait on " + probe.interface);
      for (unsigned i = 0; ready > 0 && i < kMostFrames && !owner; ++i) {
        const int error = receive(probe, owner);
        if (error == EAGAIN) break;
        if (error != 0) return net_error(error, "receive on " + probe.interface);
      }
      if (owner) return {};
    }
  }

 private:
  int receive(const Probe& probe, std::optional<Mac>& owner) {
    uint8_t frame[2048];
    alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(tpacket_auxdata))];
    iovec part{frame, sizeof frame};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t n = recvmsg(fd_, &message, 0);
    if (n < 0) return errno == EINTR ? 0 : errno;
    tpacket_auxdata aux{};
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) std::memcpy(&aux, CMSG_DATA(c), sizeof aux);
    }
    const uint16_t vlan = aux.tp_status & TP_STATUS_VLAN_VALID ? aux.tp_vlan_tci & 0xfff : 0;
    if (vlan != probe.vlan.value_or(0)) return 0;
    owner = claims_address(probe, frame, static_cast<size_t>(n), (aux.tp_status & TP_STATUS_CSUMNOTREADY) == 0);
    return 0;
  }

  int fd_ = -1;
};

NetResult probe_here(const Probe& probe, std::optional<Mac>& owner) {
  Socket socket;
  NetResult result = socket.open(probe);
  const Nanos begun = monotonic();
  const Nanos whole = Nanos{probe.timeout_ms} * 1'000'000;
  for (uint32_t i = 0; result && !owner && i < probe.probes; ++i) {
    result = socket.send_probe(probe);
    if (result) result = socket.listen(probe, begun + whole * (i + 1) / probe.probes, owner);
  }
  return result;
}

}  // namespace

std::optional<Mac> claims_address(const Probe& probe, const uint8_t* frame, size_t length, bool check_sum) {
  if (length < sizeof(Ethernet) || source_mac(frame) == probe.mac) return {};
  const uint16_t type = load_be16(frame + 12);
  if (probe.ip.is_v4()) return type == ether_type::kArp ? claims_by_arp(probe, frame, length) : std::nullopt;
  return type == ether_type::kIpv6 ? claims_by_nd(probe, frame, length, check_sum) : std::nullopt;
}

NetResult probe_address(const Probe& probe, std::optional<Mac>& owner) {
  owner.reset();
  return in_namespace(probe.netns, [&] { return probe_here(probe, owner); });
}

}  // namespace overlane
