// The XDP program of a port, attached to its interface: a frame goes to the AF_XDP socket of the queue it arrived on,
// or on to the kernel where that queue has none.
//
// Raw bpf() calls, no libbpf or libxdp: the program is six instructions and one map, which is no reason for two
// libraries at run time, an ELF object and a compiler for it.
#pragma once

#include <cstdint>
#include <string>

#include "net/netns.h"

namespace overlane {

// An errno of AF_XDP or bpf() as an error: EPERM is ERR_OVERLANE_PERMISSION and names the capabilities that the calling
// thread lacks, or what else forbids it; ENOBUFS likewise, for the limit on locked memory.
NetResult xdp_error(int error, const std::string& what);

class XdpProgram {
 public:
  XdpProgram() = default;
  ~XdpProgram();
  XdpProgram(const XdpProgram&) = delete;
  XdpProgram& operator=(const XdpProgram&) = delete;

  // In the driver (native) and, where that is not possible or `generic` is set, in the kernel's generic hook. Held by a
  // BPF link, so it goes with the process, however that ends; this is why Linux 5.9 is needed. In the interface's
  // namespace. Codes: ERR_OVERLANE_BUSY (the interface has another program), _PERMISSION, _UNSUPPORTED, _SYSTEM.
  NetResult attach(const std::string& interface, uint32_t index, uint32_t queues, bool generic);
  // Frames of `queue` go to this bound socket from now on.
  NetResult redirect(uint32_t queue, int socket);
  void detach();

  bool native() const { return native_; }

 private:
  NetResult load(uint32_t queues);
  int link(uint32_t index, uint32_t mode);

  int map_ = -1;
  int program_ = -1;
  int link_ = -1;
  bool native_ = false;
};

}  // namespace overlane
