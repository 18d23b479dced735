#include "port/xdp_program.h"

#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <initializer_list>

#include "net/netlink.h"

namespace overlane {

namespace {

constexpr unsigned kCapBpf = 39;  // CAP_BPF of Linux 5.8
constexpr char kLicense[] = "MIT";
constexpr char kProgramName[] = "overlane";
constexpr char kMapName[] = "overlane_queues";
static_assert(sizeof kMapName <= BPF_OBJ_NAME_LEN);

int bpf(bpf_cmd command, bpf_attr& attributes) {
  return static_cast<int>(syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

uint64_t address_of(const void* what) {
  return reinterpret_cast<uintptr_t>(what);
}

void close_all(std::initializer_list<int*> fds) {
  for (int* fd : fds) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
}

std::string missing_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (syscall(SYS_capget, &header, data) != 0) return {};
  const auto has = [&](unsigned cap) { return (data[cap / 32].effective >> (cap % 32) & 1) != 0; };
  std::string missing;
  const auto want = [&](bool there, const char* name) {
    if (!there) missing += (missing.empty() ? "" : ", ") + std::string(name);
  };
  want(has(CAP_NET_ADMIN), "CAP_NET_ADMIN");
  want(has(kCapBpf) || has(CAP_SYS_ADMIN), "CAP_BPF");
  want(has(CAP_NET_RAW), "CAP_NET_RAW");
  return missing;
}

// The program that an interface has already.
struct Attached {
  uint8_t mode = XDP_ATTACHED_NONE;
  uint32_t id = 0;
};

Attached find_attached(uint32_t index) {
  Attached found;
  Netlink netlink;
  if (!netlink.open()) return found;
  ifinfomsg family{};
  family.ifi_index = static_cast<int>(index);
  NetlinkRequest request(RTM_GETLINK, 0, family);
  netlink.ask(request, [&](const nlmsghdr& message) {
    each_attribute_of<ifinfomsg>(message, [&](uint16_t type, const uint8_t* value, size_t length) {
      if (type != IFLA_XDP) return;
      each_attribute(value, length, [&](uint16_t inner, const uint8_t* of, size_t size) {
        if (inner == IFLA_XDP_ATTACHED && size >= 1) found.mode = *of;
        const bool is_id = inner == IFLA_XDP_PROG_ID || inner == IFLA_XDP_DRV_PROG_ID || inner == IFLA_XDP_SKB_PROG_ID;
        if (is_id && size >= 4) found.id = overlane::load<uint32_t>(of);
      });
    });
  });
  return found;
}

NetResult busy(const std::string& interface, uint32_t index) {
  const Attached other = find_attached(index);
  const std::string off = other.mode == XDP_ATTACHED_SKB ? "xdpgeneric" : "xdp";
  return {"ERR_OVERLANE_BUSY", "the interface " + interface + " has another XDP program, id " +
                                   std::to_string(other.id) + ": remove it with: ip link set dev " + interface + " " +
                                   off + " off, or end the process that holds it (bpftool link list)"};
}

}  // namespace

NetResult xdp_error(int error, const std::string& what) {
  const std::string message = "cannot " + what + ": " + std::strerror(error);
  const std::string memory = "the limit on locked memory (ulimit -l; LimitMEMLOCK= in a systemd unit)";
  if (error == ENOSYS || error == EAFNOSUPPORT) {
    return {"ERR_OVERLANE_UNSUPPORTED",
            message +
                "; this kernel was built without AF_XDP (CONFIG_XDP_SOCKETS, CONFIG_BPF_SYSCALL): use a packet "
                "port instead"};
  }
  if (error == ENOBUFS) {
    return {"ERR_OVERLANE_PERMISSION", message + "; raise " + memory + ", grant CAP_IPC_LOCK, or set fewer frames"};
  }
  if (error != EPERM && error != EACCES) return net_error(error, what);
  const std::string missing = missing_capabilities();
  if (!missing.empty()) return {"ERR_OVERLANE_PERMISSION", message + "; missing: " + missing + " (run as root)"};
  return {"ERR_OVERLANE_PERMISSION", message + "; the capabilities are there, so raise " + memory +
                                         ", or let the container or security policy allow bpf()"};
}

XdpProgram::~XdpProgram() {
  detach();
}

void XdpProgram::detach() {
  close_all({&link_, &program_, &map_});
}

NetResult XdpProgram::load(uint32_t queues) {
  bpf_attr map{};
  map.map_type = BPF_MAP_TYPE_XSKMAP;
  map.key_size = sizeof(uint32_t);
  map.value_size = sizeof(uint32_t);
  map.max_entries = queues;
  std::memcpy(map.map_name, kMapName, sizeof kMapName);
  map_ = bpf(BPF_MAP_CREATE, map);
  if (map_ < 0) return xdp_error(errno, "make a BPF map of AF_XDP sockets");

  // return bpf_redirect_map(&map, context->rx_queue_index, XDP_PASS): the last is what happens without a socket.
  const bpf_insn code[] = {
      {BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, offsetof(xdp_md, rx_queue_index), 0},
      {BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_},
      {0, 0, 0, 0, 0},  // the upper half of the map
      {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, XDP_PASS},
      {BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map},
      {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
  };
  bpf_attr program{};
  program.prog_type = BPF_PROG_TYPE_XDP;
  program.insns = address_of(code);
  program.insn_cnt = sizeof code / sizeof code[0];
  program.license = address_of(kLicense);
  std::memcpy(program.prog_name, kProgramName, sizeof kProgramName);
  program_ = bpf(BPF_PROG_LOAD, program);
  if (program_ < 0) return xdp_error(errno, "load an XDP program");
  return {};
}

// 0 or an errno.
int XdpProgram::link(uint32_t index, uint32_t mode) {
  bpf_attr attributes{};
  attributes.link_create.prog_fd = static_cast<uint32_t>(program_);
  attributes.link_create.target_ifindex = index;
  attributes.link_create.attach_type = BPF_XDP;
  attributes.link_create.flags = mode;
  link_ = bpf(BPF_LINK_CREATE, attributes);
  native_ = link_ >= 0 && mode == XDP_FLAGS_DRV_MODE;
  return link_ >= 0 ? 0 : errno;
}

NetResult XdpProgram::attach(const std::string& interface, uint32_t index, uint32_t queues, bool generic) {
  const NetResult loaded = load(queues);
  if (!loaded) return loaded;
  int error = generic ? EOPNOTSUPP : link(index, XDP_FLAGS_DRV_MODE);
  // Drivers have many reasons to refuse (no support, MTU, queues, offloads), and as many numbers for them.
  if (error != 0 && error != EBUSY && error != EEXIST && error != EPERM) error = link(index, XDP_FLAGS_SKB_MODE);
  if (error == 0) return {};
  if (error == EBUSY || error == EEXIST) return busy(interface, index);
  NetResult result = xdp_error(error, "attach an XDP program to " + interface);
  if (error == EINVAL || error == EOPNOTSUPP) {
    result.code = "ERR_OVERLANE_UNSUPPORTED";
    result.message += "; this needs Linux 5.9, and an interface that can have one: use a packet port instead";
  }
  return result;
}

NetResult XdpProgram::redirect(uint32_t queue, int socket) {
  const auto value = static_cast<uint32_t>(socket);
  bpf_attr attributes{};
  attributes.map_fd = static_cast<uint32_t>(map_);
  attributes.key = address_of(&queue);
  attributes.value = address_of(&value);
  if (bpf(BPF_MAP_UPDATE_ELEM, attributes) == 0) return {};
  return xdp_error(errno, "direct queue " + std::to_string(queue) + " to its AF_XDP socket");
}

}  // namespace overlane
