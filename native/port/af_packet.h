// packet port: an interface that there is already, by an AF_PACKET socket. Sees what arrives on the interface, as
// tcpdump does, and sends on it; what the kernel's own stack sends there it does not see. Super-frames that the kernel
// hands around whole (veth, GRO) are taken and given whole.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/link.h"
#include "offload/segment.h"
#include "port/packet_ring.h"
#include "port/port.h"
#include "port/virtio_header.h"

namespace overlane {

class AfPacketPort final : public Port {
 public:
  struct Options {
    std::string netns;  // path; empty: the caller's namespace
    std::string interface;
    bool promiscuous = true;  // frames to any MAC, not only to the interface's own
    // Leave super-frames and unfinished checksums to the kernel when sending. They are received in any case: who sends
    // them decides (`ethtool -K <peer> tso off`).
    bool offload = true;
    uint32_t queues = 1;             // 1, or as many as there are workers: the kernel deals flows out to them
    uint32_t ring_bytes = 8u << 20;  // of each receive ring; as much again for super-frames that wait
  };

  // Makes a port for each of `workers`. With one queue only worker `owner` receives; the rest send. `link`: the
  // interface as it is then; it may be down.
  // Codes: ERR_OVERLANE_MISSING (namespace, interface), _PERMISSION (CAP_NET_RAW), _OPTION, _UNSUPPORTED, _SYSTEM.
  static NetResult open(const Options& options, uint32_t workers, uint32_t owner,
                        std::vector<std::unique_ptr<Port>>& ports, LinkDetails& link);

  ~AfPacketPort() override;
  AfPacketPort(const AfPacketPort&) = delete;
  AfPacketPort& operator=(const AfPacketPort&) = delete;

  Nanos next_due() override { return ring_.waits() ? kNow : kNever; }
  uint32_t receive(Packet** packets, uint32_t max, Nanos now, Nanos until, Pools& pools, CounterRow& row) override;
  uint32_t transmit(Packet** packets, uint32_t count, CounterRow& row) override;
  uint8_t offloads() const override { return offloads_; }
  // None while the interface is gone. The same number before and after link_changed(), but not always the same socket:
  // wait for it anew.
  std::vector<Descriptor> descriptors() const override;
  void attend(int fd, Nanos now) override;
  // An interface that comes back under the same name is used again. With several queues this needs the privileges of
  // open() again, as a socket never leaves its fanout group. One that cannot be used is told, and nothing comes from it
  // or goes to it.
  void link_changed(const LinkInfo& link) override;
  std::string error() const override { return error_; }
  const char* error_name() const override { return error_code_; }

 private:
  static constexpr uint32_t kBatch = 64;  // packets a system call

  // The fanout group of a port. The kernel gives it a number, which the workers tell one another when they open.
  struct Fanout {
    std::mutex mutex;
    uint32_t index = 0;  // of the interface that the number is good for; 0: none yet
    uint16_t number = 0;
  };

  AfPacketPort(const Options& options, bool receives, std::shared_ptr<Fanout> fanout);
  NetResult open_socket(const LinkDetails& link);
  NetResult open_ring(const LinkDetails& link);
  NetResult check_type(uint32_t index) const;
  NetResult bind_to(uint32_t index);
  NetResult join(uint32_t index);
  NetResult open_again(const LinkInfo& link);

  bool take(const tpacket2_hdr* slot, uint32_t tag, uint8_t* to);
  Packet* accept(const tpacket2_hdr* slot, Pools& pools, CounterRow& row, bool& full);
  void count_losses(CounterRow& row);
  static void count_train(const Packet& packet, CounterRow& row);
  uint32_t prepare(Packet** packets, uint32_t count);
  uint32_t prepare_segments(const Segmentation& plan, uint32_t at);
  int send_prepared(uint32_t ready);
  void send_segments(Packet* packet, CounterRow& row);
  uint32_t give_up(Packet** packets, uint32_t count, int error, CounterRow& row);
  Counter reason_of(int error, bool ordinary);
  void fail(int error, const char* doing);
  void report(const NetResult& failure, Nanos now);
  void go(Nanos now);

  Options options_;
  bool receives_;
  bool gone_ = false;  // no interface, or a refused one: nothing goes until link_changed() brings one back
  bool sent_uso_ = false;
  uint8_t offloads_ = 0;
  int fd_ = -1;
  uint32_t index_ = 0;
  std::shared_ptr<Fanout> fanout_;  // null with one queue
  PacketRing ring_;
  const char* error_code_ = "ERR_OVERLANE_SYSTEM";
  std::string error_;
  mmsghdr messages_[kBatch]{};
  iovec parts_[kBatch][3]{};
  VirtioHeader headers_[kBatch]{};
  uint8_t segment_headers_[kBatch][kMaxSegmentHeader];
};

}  // namespace overlane
