// What the ports made of kernel sockets (udp, esp) have in common: reading in batches, the error queues (IP_RECVERR),
// and what becomes of datagrams that the kernel does not take.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <string>

#include "core/datagram.h"
#include "port/port.h"
#include "port/udp_address.h"

namespace overlane {

class SocketPort : public Port {
 public:
  SocketPort(const SocketPort&) = delete;
  SocketPort& operator=(const SocketPort&) = delete;
  ~SocketPort() override;

  Nanos next_due() override { return kNow; }
  // Reads what ICMP said about our datagrams: `mtu` events.
  void attend(int fd, Nanos now) override;
  // Follows the MTU of the interface, unless the options gave one.
  void link_changed(const LinkInfo& link) override;
  std::string error() const override { return error_; }

 protected:
  // Datagrams or trains a read. Over veth, 1 costs a datagram that comes alone half as much again; 16 and 32 gain
  // nothing beyond the noise, and each takes a large buffer.
  static constexpr uint32_t kBatch = 8;
  static constexpr uint32_t kMaxIp = 65535;
  struct Control {
    uint32_t stride = 0;  // of a train that the kernel put together
    uint8_t tos = 0;
  };

  // headers: bytes of the outer ones. what: the socket's name in words for the user.
  SocketPort(uint32_t headers, uint32_t mtu, bool follows_link, const char* what);

  // udp_receive.cc
  uint32_t read_batch(int fd, uint32_t wanted, Nanos now, Pools& pools, CounterRow& row);
  Packet* take_next(Nanos now, Control& control, CounterRow& row);
  // Reads until there are `max` packets, `count` of which are there already, or no more come. hand_on(packet, control,
  // to, room) makes at most `room` packets of each at `to`, and returns how many.
  template <typename HandOn>
  OVERLANE_INLINE uint32_t receive_each(int fd, Packet** packets, uint32_t count, uint32_t max, Nanos now, Pools& pools,
                                        CounterRow& row, HandOn hand_on) {
    bool more = true;
    while (count < max) {
      if (next_ == filled_) {
        if (!more) break;
        const uint32_t wanted = max - count < kBatch ? max - count : kBatch;
        const uint32_t read = read_batch(fd, wanted, now, pools, row);
        if (read == 0) break;
        more = read == wanted;
      }
      Control control;
      Packet* packet = take_next(now, control, row);
      if (OVERLANE_LIKELY(packet != nullptr)) count += hand_on(packet, control, packets + count, max - count);
    }
    return count;
  }

  // Sends messages of one part each; what the kernel does not take is lost. True: all of them went out.
  bool send_messages(int fd, mmsghdr* messages, uint32_t count, CounterRow& row);
  // After an error at sending: whether to try again, as it was that of an earlier datagram.
  bool should_retry(int fd, int error, uint32_t attempt);
  Counter reason_of(int error, const IpAddress& peer);
  static void lose_datagrams(uint32_t count, uint64_t bytes, Counter reason, CounterRow& row);
  // A packet that may be a train, whose further datagrams `segmented` has already.
  static void lose_sealed(Packet* packet, const Datagram& datagram, Counter reason, CounterRow& row);

  uint32_t headers_;           // bytes of outer headers
  uint32_t longest_ = 0;       // bytes of datagram that the MTU allows
  Nanos now_ = 0;              // of the burst that is sent
  bool tells_icmp_ = true;     // false where another socket hears the same
  bool sends_itself_ = false;  // the socket that is read, so that errors of sending come up at reading

 private:
  struct Slot {
    Packet* small;
    Packet* large;
    iovec parts[2];
    SocketAddress from;
    alignas(cmsghdr) uint8_t control[128];
  };
  struct KnownMtu {
    IpAddress peer;
    uint32_t value = 0;
    Nanos time = 0;
  };

  void set_mtu(uint32_t mtu);
  uint32_t fill_slots(uint32_t wanted, Pools& pools);
  void note_unread(int fd, int error, Nanos now);
  Control read_control(msghdr& header, CounterRow& row);
  bool drain_errors(int fd, Nanos now);
  void report_mtu(const IpAddress& peer, uint32_t value, Nanos now);
  void fail(const std::string& why, Nanos now);

  bool follows_link_;
  const char* what_;

  std::unique_ptr<Slot[]> slots_;
  mmsghdr messages_[kBatch];
  uint32_t next_ = 0;          // message to take up
  uint32_t filled_ = 0;        // messages that were read
  uint32_t kernel_drops_ = 0;  // as SO_RXQ_OVFL counts

  KnownMtu known_mtus_[16];  // the last that were reported
  uint32_t oldest_mtu_ = 0;
  std::string error_;
};

// Of a packet that is sealed: datagrams of so many bytes, the last perhaps of fewer.
OVERLANE_INLINE uint32_t stride_of(const Packet& packet, const Datagram& datagram) {
  return datagram.stride != 0 && datagram.stride < packet.length ? datagram.stride : packet.length;
}

}  // namespace overlane
