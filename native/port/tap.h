// tap port: the interface of a container, or of a process in it. The kernel's end is an ordinary network interface in
// the given namespace; ours is a descriptor that takes and gives frames, super-frames (TSO, USO) whole.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/link.h"
#include "port/port.h"
#include "port/virtio_header.h"

namespace overlane {

class TapPort final : public Port {
 public:
  struct Options {
    std::string netns;        // path; empty: the caller's namespace
    std::string name;         // of the interface; a persistent TAP of that name that nobody has open is taken over
    uint32_t queues = 1;      // 1, or as many as there are workers
    bool offload = true;      // super-frames and unfinished checksums, both ways
    bool persistent = false;  // stays without ports, until discard()
    LinkSettings link;        // with link.mtu: at most 65521
  };

  // Makes the interface, sets it up, and makes a port for each of `workers`. With one queue only worker `owner`
  // receives; the rest write to it. One that is taken over has as many queues as it was made for: one, or as many as
  // are opened. It gets the settings that it has not; what is as told already is not touched. `link`: the interface as
  // it is then; persistent only when it was before. After a failure nothing is left, except that a TAP that was taken
  // over keeps the settings it had got by then.
  // Codes: ERR_OVERLANE_MISSING (namespace, /dev/net/tun), _PERMISSION, _BUSY (the name is taken), _OPTION, _SYSTEM.
  static NetResult open(const Options& options, uint32_t workers, uint32_t owner,
                        std::vector<std::unique_ptr<Port>>& ports, LinkDetails& link);

  // Owns `fd`, a queue of a TAP with a 10-byte VirtioHeader and O_NONBLOCK. `offloads`: what the kernel takes.
  // persistent: the interface is ours to end, see discard(). tells: of the ports of an interface, which all see it go,
  // the one that tells; it receives, or it might see nothing.
  TapPort(int fd, bool receives, uint8_t offloads, bool persistent = false, bool tells = true)
      : fd_(fd), receives_(receives), offloads_(offloads), persistent_(persistent), tells_(tells) {}
  ~TapPort() override;
  TapPort(const TapPort&) = delete;
  TapPort& operator=(const TapPort&) = delete;

  Nanos next_due() override { return listens() ? kNow : kNever; }
  uint32_t receive(Packet** packets, uint32_t max, Nanos now, Nanos until, Pools& pools, CounterRow& row) override;
  uint32_t transmit(Packet** packets, uint32_t count, CounterRow& row) override;
  uint8_t offloads() const override { return offloads_; }
  // None after a failure or when the interface is gone: ask again after attend() and link_changed(), and stop waiting
  // for what is no longer listed, as it stays ready for ever.
  std::vector<Descriptor> descriptors() const override;
  void attend(int fd, Nanos now) override;
  void link_changed(const LinkInfo& link) override;
  void discard() override { discarded_ = true; }
  bool ends_slowly() const override { return true; }
  std::string error() const override { return error_; }
  const char* error_name() const override { return error_code_; }

 private:
  bool listens() const { return receives_ && !failed_; }
  Packet* accept(Packet* packet, uint32_t length, CounterRow& row);
  void send_one(Packet* packet, CounterRow& row);
  uint32_t send_merged(Packet** packets, uint32_t count, CounterRow& row);
  Counter cause(int error, const VirtioHeader& header, Nanos now);
  void fail(int error, const char* doing);
  void stop(int error, const char* doing, Nanos now);

  int fd_;
  bool receives_;
  uint8_t offloads_;
  bool persistent_;
  bool tells_;
  bool discarded_ = false;
  bool down_ = false;    // as link_changed() said: writing is pointless
  bool failed_ = false;  // the descriptor is dead
  const char* error_code_ = "ERR_OVERLANE_SYSTEM";
  std::string error_;
};

}  // namespace overlane
