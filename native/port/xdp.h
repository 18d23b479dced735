// xdp port: queues of an interface through AF_XDP sockets. What arrives on them is taken before the kernel's stack sees
// it; other queues stay the kernel's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/link.h"
#include "port/port.h"
#include "port/xdp_program.h"
#include "port/xdp_socket.h"

namespace overlane {

class XdpPort final : public Port {
 public:
  struct Options {
    std::string netns;  // path; empty: the caller's namespace
    std::string interface;
    uint32_t queues = 1;  // the first so many; received from all, transmitted to the first
    XdpCopy copy = XdpCopy::automatic;
    bool generic = false;     // do not try the driver's hook (native mode), only the kernel's
    uint32_t frames = 4096;   // of each queue: a power of 2 from 128 to 131072, half to receive and half to transmit
    uint32_t frame_size = 0;  // 2048 (MTU to 1770) or 4096 (MTU to 3818); 0: the smaller one that the MTU allows
  };

  explicit XdpPort(const Options& options) : options_(options) {}
  XdpPort(const XdpPort&) = delete;
  XdpPort& operator=(const XdpPort&) = delete;

  // Once, before it is used; for open_xdp().
  NetResult open(LinkDetails& link);
  // "native, zero-copy", "native, copy" or "generic, copy".
  std::string mode() const;

  Nanos next_due() override;
  uint32_t receive(Packet** packets, uint32_t max, Nanos now, Nanos until, Pools& pools, CounterRow& row) override;
  uint32_t transmit(Packet** packets, uint32_t count, CounterRow& row) override;
  Counter refusal() const override;
  // None when the interface is gone, and others after link_changed() has opened another.
  std::vector<Descriptor> descriptors() const override;
  void attend(int fd, Nanos now) override;
  // With another interface of the same name it opens anew, which takes milliseconds.
  void link_changed(const LinkInfo& link) override;
  std::string error() const override { return error_; }
  const char* error_name() const override { return error_code_; }

 private:
  struct Queue {
    XdpSocket socket;
    uint64_t dropped = 0;   // of socket.dropped(), as counted
    bool was_full = false;  // the kernel may have dropped some since
    uint32_t lost_to = 0;   // index in the transmit ring up to which lost frames are counted
  };
  // Members are destroyed from the last: no frame is directed to a socket that is gone.
  struct Attachment {
    std::vector<std::unique_ptr<Queue>> queues;
    XdpProgram program;
  };

  NetResult check_options() const;
  NetResult attach(Attachment& attachment, LinkDetails& link) const;
  NetResult choose_frame_size(uint32_t mtu, uint32_t& frame_size) const;
  uint32_t take(Queue& queue, Packet** packets, uint32_t max, Nanos now, Pools& pools, CounterRow& row);
  void read_statistics(Queue& queue, CounterRow& row);
  void reclaim(Queue& queue);
  void kick(Queue& queue, CounterRow& row);
  void count_lost(Queue& queue, uint32_t index, Counter reason, CounterRow& row);
  void report(const NetResult& failure);
  void gone();

  Options options_;
  std::unique_ptr<Attachment> attachment_;
  uint32_t interface_index_ = 0;
  size_t turn_ = 0;  // the queue to begin with
  Nanos next_statistics_ = kNow;
  bool link_down_ = false;  // as link_changed() said
  bool down_ = false;       // as sending said
  bool broken_ = false;     // until link_changed() mends it
  const char* error_code_ = "ERR_OVERLANE_SYSTEM";
  std::string error_;
};

// A port on an interface that exists, for worker `owner`; the others get nullptr, as a queue has one owner. `link`: the
// interface as it is; `mode`: see XdpPort::mode(). Nothing is left after a failure, nor after the process.
// Codes: ERR_OVERLANE_MISSING (namespace, interface), _PERMISSION, _BUSY (another XDP program), _OPTION, _UNSUPPORTED
// (kernel, driver, or an MTU that no frame holds), _SYSTEM.
NetResult open_xdp(const XdpPort::Options& options, uint32_t workers, uint32_t owner,
                   std::vector<std::unique_ptr<Port>>& ports, LinkDetails& link, std::string& mode);

}  // namespace overlane
