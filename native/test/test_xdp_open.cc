// Opening and losing an XDP port: who else is there, what is missing, and what is left behind.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include "test/xdp_wire.h"

namespace overlane {

using namespace test;

namespace {

constexpr uint64_t capability(unsigned number) {
  return uint64_t{1} << number;
}

// What `work` returns in a process of its own, in the namespace, and with these capabilities only.
template <typename Work>
std::string in_child(const std::string& netns, uint64_t capabilities, Work work) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    setns(open(netns.c_str(), O_RDONLY | O_CLOEXEC), CLONE_NEWNET);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    for (unsigned i = 0; i < 2; ++i) {
      data[i].permitted = data[i].effective = static_cast<uint32_t>(capabilities >> (32 * i));
    }
    const std::string text = syscall(SYS_capset, &header, data) == 0 ? work() : "no capset";
    (void)!write(ends[1], text.data(), text.size());
    _exit(0);
  }
  close(ends[1]);
  char text[1024];
  const ssize_t n = read(ends[0], text, sizeof text);
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return std::string(text, n > 0 ? static_cast<size_t>(n) : 0);
}

void check_result(const NetResult& result, const std::string& code, const std::string& part) {
  CHECK_EQ(std::string(result.code == nullptr ? "none" : result.code), code);
  if (result.message.find(part) == std::string::npos) CHECK_EQ(result.message, "… " + part + " …");
}

}  // namespace

TEST("xdp port: the program goes with the port, and with a process that is killed") {
  if (!have_root("xdp port: the program goes")) return;
  XdpWire wire;
  CHECK(!wire.has_program());
  CHECK_EQ(wire.open().message, "");
  CHECK(wire.has_program());
  wire.ports.clear();
  CHECK(!wire.has_program());

  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const char answer = wire.open() ? 'y' : 'n';
    (void)!write(ends[1], &answer, 1);
    for (int i = 0; i < 30; ++i) sleep(1);
    _exit(1);
  }
  char answer = 0;
  CHECK_EQ(read(ends[0], &answer, 1), 1);
  CHECK_EQ(answer, 'y');
  CHECK(wire.has_program());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ends[0]);
  close(ends[1]);
  for (int i = 0; i < 100 && wire.has_program(); ++i) usleep(10'000);  // the kernel lets go a little later
  CHECK(!wire.has_program());
  CHECK_EQ(wire.open().message, "");
}

TEST("xdp port: another program on the interface is named, and how to remove it") {
  if (!have_root("xdp port: another program")) return;
  XdpWire first;
  for (const bool generic : {false, true}) {
    first.options.generic = generic;
    CHECK_EQ(first.open().message, "");
    std::vector<std::unique_ptr<Port>> ports;
    std::string mode;
    XdpPort::Options options = first.options;
    for (const bool other : {false, true}) {
      options.generic = other;
      const NetResult result = open_xdp(options, 1, 0, ports, first.link, mode);
      const std::string shown = first.veth.output("ip link show p0 | grep -o 'prog/xdp id [0-9]*' | grep -o '[0-9]*$'");
      check_result(result, "ERR_OVERLANE_BUSY", "another XDP program, id " + shown.substr(0, shown.find('\n')));
      check_result(result, "ERR_OVERLANE_BUSY", generic ? "ip link set dev p0 xdpgeneric off" : "dev p0 xdp off");
      CHECK(ports.empty());
    }
  }
}

TEST("xdp port: a missing capability is named") {
  if (!have_root("xdp port: a missing capability")) return;
  constexpr uint64_t kNetwork = capability(CAP_NET_ADMIN) | capability(CAP_NET_RAW);
  XdpWire wire;
  wire.options.netns.clear();
  const auto attempt = [&](uint64_t capabilities) {
    return in_child(wire.veth.path(), capabilities, [&] {
      const NetResult result = wire.open();
      return result ? wire.mode : result.code + (" " + result.message);
    });
  };
  const auto lacks = [&](uint64_t capabilities, const std::string& missing) {
    const std::string text = attempt(capabilities);
    CHECK_EQ(text.substr(0, text.find(' ')), "ERR_OVERLANE_PERMISSION");
    if (text.find("missing: " + missing + " (") == std::string::npos) CHECK_EQ(text, missing);
  };
  lacks(0, "CAP_NET_ADMIN, CAP_BPF, CAP_NET_RAW");
  lacks(kNetwork | capability(CAP_IPC_LOCK), "CAP_BPF");
  lacks(capability(CAP_NET_ADMIN) | capability(CAP_SYS_ADMIN), "CAP_NET_RAW");
  lacks(capability(CAP_NET_RAW) | capability(CAP_BPF), "CAP_NET_ADMIN");
  CHECK_EQ(attempt(kNetwork | capability(CAP_BPF)), "native, copy");
  wire.options.frames = 131072;  // 256 MiB, above the usual limit on locked memory
  const std::string text = attempt(kNetwork | capability(CAP_BPF));
  if (text.find("ulimit -l") == std::string::npos) CHECK_EQ(text, "an error about ulimit -l");
}

TEST("xdp port: options and interfaces that cannot work say what to change") {
  if (!have_root("xdp port: options")) return;
  const auto attempt = [](auto change, const char* code, const std::string& part) {
    XdpWire wire;
    change(wire);
    check_result(wire.open(), code, part);
    CHECK(wire.ports.empty());
    CHECK(!wire.has_program());
  };
  using Wire = XdpWire;
  attempt([](Wire& w) { w.options.interface = "p7"; }, "ERR_OVERLANE_MISSING", "p7");
  attempt([](Wire& w) { w.options.netns = "/run/netns/xdp-none"; }, "ERR_OVERLANE_MISSING", "ip netns add xdp-none");
  attempt([](Wire& w) { w.options.frames = 100; }, "ERR_OVERLANE_OPTION", "power of 2");
  attempt([](Wire& w) { w.options.frame_size = 1024; }, "ERR_OVERLANE_OPTION", "2048 or 4096");
  attempt([](Wire& w) { w.options.queues = 3; }, "ERR_OVERLANE_OPTION", "ethtool -l p0");
  attempt([](Wire& w) { w.options.copy = XdpCopy::never; }, "ERR_OVERLANE_UNSUPPORTED", "zeroCopy auto");
  attempt([](Wire& w) { w.veth.ip("link set p0 mtu 9000"); }, "ERR_OVERLANE_UNSUPPORTED", "ip link set p0 mtu 3818");
  const auto small = [](Wire& w) {
    w.veth.ip("link set p0 mtu 3000");
    w.options.frame_size = 2048;
  };
  attempt(small, "ERR_OVERLANE_OPTION", "ip link set p0 mtu 1770");
}

TEST("xdp port: the largest MTU of each frame size passes whole, with two tags") {
  if (!have_root("xdp port: the largest MTU")) return;
  for (const uint32_t mtu : {1770u, 3400u}) {  // native mode of veth ends at some 3,500
    XdpWire wire;
    CHECK_EQ(wire.veth.ip("link set p0 mtu " + std::to_string(mtu)), 0);
    CHECK_EQ(wire.veth.ip("link set p1 mtu " + std::to_string(mtu)), 0);
    CHECK_EQ(wire.open().message, "");
    CHECK_EQ(wire.mode, "native, copy");
    const Raw peer(wire.veth, "p1");
    const Bytes untagged = numbered(1, mtu + 14);
    CHECK(peer.send(untagged));
    CHECK(wire.take_one() == untagged);
    const Bytes frame = with_tag(untagged, 5);
    CHECK(peer.send(frame));
    CHECK(wire.take_one() == frame);
    CHECK_EQ(wire.send({frame}), 1u);
    CHECK(peer.receive() == frame);
  }
}

TEST("xdp port: an interface that goes is an error once, and one that comes back is taken") {
  if (!have_root("xdp port: an interface that goes")) return;
  XdpWire wire;
  EventRing events;
  CHECK_EQ(wire.open().message, "");
  wire.port().report_to(&events, 5);
  const uint32_t index = wire.link.index;
  CHECK_EQ(wire.veth.ip("link del p0"), 0);
  CHECK_EQ(wire.take_one(10).size(), 0u);
  wire.send({numbered(1), numbered(2)});  // finds out by itself
  wire.send({numbered(3)});
  wire.port().link_changed({LinkState::gone, index, 0});
  CHECK_EQ(std::string(wire.port().error_name()), "ERR_OVERLANE_MISSING");
  CHECK(wire.port().descriptors().empty());
  CHECK_EQ(wire.port().next_due(), kNever);
  CHECK_EQ(wire.count(Counter::drop_link_down), 3u);
  CHECK_EQ(wire.count(Counter::tx_packets), 0u);
  CHECK_EQ(wire.count(Counter::tx_bytes), 0u);
  Event event;
  CHECK(events.pop(event) && event.kind == EventKind::failure && event.port == 5);
  CHECK(!events.pop(event));

  wire.veth.plug();
  wire.port().link_changed({LinkState::up, wire.veth.index("p0"), 1500});
  CHECK_EQ(wire.port().error(), "");
  CHECK_EQ(wire.port().descriptors().size(), 1u);
  const Raw peer(wire.veth, "p1");
  CHECK(peer.send(numbered(4)));
  CHECK(wire.take_one() == numbered(4));
  CHECK_EQ(wire.send({numbered(5)}), 1u);
  CHECK(peer.receive() == numbered(5));
}

TEST("xdp port: one that cannot be opened again says so and stays quiet") {
  if (!have_root("xdp port: one that cannot be opened again")) return;
  XdpWire wire;
  CHECK_EQ(wire.open().message, "");
  CHECK_EQ(wire.veth.ip("link del p0"), 0);
  wire.port().link_changed({LinkState::gone, wire.link.index, 0});
  wire.veth.plug();
  CHECK_EQ(wire.veth.ip("link set p0 mtu 9000"), 0);
  wire.port().link_changed({LinkState::up, wire.veth.index("p0"), 9000});
  check_result({wire.port().error_name(), wire.port().error()}, "ERR_OVERLANE_UNSUPPORTED", "p0 came back: the MTU");
  CHECK(wire.port().descriptors().empty());
  CHECK_EQ(wire.send({numbered(1)}), 0u);
  CHECK_EQ(wire.count(Counter::drop_link_down), 1u);
}

}  // namespace overlane
