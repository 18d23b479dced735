// Making TAPs: what the kernel then shows, names that are taken, privileges.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/tap_lab.h"

namespace overlane {
namespace {

using namespace test;

std::string code_of(const NetResult& result) {
  return result.code == nullptr ? "" : result.code;
}

TEST("tap: the interface is as told, and gone with its ports") {
  if (!test::have_root("tap: the interface is as told, and gone with its ports")) return;
  Namespace space("tap-t");
  TapPort::Options options = options_for(space);
  options.link.mac = load_mac(test::mac(2).data());
  options.link.mtu = 1450;
  const uint8_t own[] = {10, 99, 0, 2};
  const uint8_t via[] = {10, 99, 0, 1};
  const auto own6 = test::hex("fd00 0099 0000 0000 0000 0000 0000 0002");
  options.link.addresses = {{IpAddress::v4(own), 24}, {IpAddress::v6(own6.data()), 64}};
  options.link.routes = {{{}, IpAddress::v4(via), {}}};
  {
    Tap tap(options);
    CHECK_EQ(tap.result.message, "");
    CHECK_EQ(tap.ports.size(), 1u);
    CHECK_EQ(tap.link.mtu, 1450u);
    CHECK(tap.link.up);
    const std::string link = space.output("ip -j -d link show eth0");
    for (const char* part : {"\"address\":\"02:42:0a:00:00:02\"", "\"mtu\":1450", "\"info_kind\":\"tun\"",
                             "\"type\":\"tap\"", "\"vnet_hdr\":true", "\"persist\":false", "\"LOWER_UP\""}) {
      CHECK(contains(link, part));
    }
    const std::string addresses = space.output("ip -j address show eth0");
    CHECK(contains(addresses, "\"local\":\"10.99.0.2\",\"prefixlen\":24"));
    CHECK(contains(addresses, "\"local\":\"fd00:99::2\",\"prefixlen\":64"));
    CHECK(contains(space.output("ip -j route"), "\"dst\":\"default\",\"gateway\":\"10.99.0.1\""));
    CHECK(test::run("ip link show eth0 2>/dev/null | grep -q 02:42:0a:00:00:02") != 0);  // not in our own namespace
  }
  CHECK(space.ip("link show eth0 2>/dev/null") != 0);
}

TEST("tap: a step that fails leaves nothing behind") {
  if (!test::have_root("tap: a step that fails leaves nothing behind")) return;
  Namespace space("tap-u");
  TapPort::Options options = options_for(space);
  options.link.mtu = 65522;
  Tap tap(options);
  CHECK_EQ(code_of(tap.result), "ERR_OVERLANE_SYSTEM");
  CHECK(contains(tap.result.message, "set the MTU 65522 of eth0"));
  CHECK(tap.ports.empty());
  CHECK(space.ip("link show eth0 2>/dev/null") != 0);
  options.netns = "/run/netns/tap-none";
  CHECK_EQ(code_of(Tap(options).result), "ERR_OVERLANE_MISSING");
  options = options_for(space);
  options.name = "tap%d";
  CHECK_EQ(code_of(Tap(options).result), "ERR_OVERLANE_OPTION");
  options = options_for(space);
  options.queues = 2;
  CHECK_EQ(code_of(Tap(options, 3).result), "ERR_OVERLANE_OPTION");
}

TEST("tap: a name that is taken is an error, a persistent TAP that nobody has open is used") {
  if (!test::have_root("tap: a name that is taken is an error")) return;
  Namespace space("tap-v");
  const TapPort::Options options = options_for(space);
  CHECK_EQ(space.ip("link add eth0 type veth peer name eth1"), 0);
  const NetResult veth = Tap(options).result;
  CHECK_EQ(code_of(veth), "ERR_OVERLANE_BUSY");
  CHECK(contains(veth.message, "by an interface that is a veth"));
  CHECK_EQ(space.ip("link del eth0 && ip -n " + space.name() + " tuntap add eth0 mode tun"), 0);
  CHECK_EQ(code_of(Tap(options).result), "ERR_OVERLANE_BUSY");
  CHECK_EQ(space.ip("link del eth0"), 0);
  {
    Tap first(options);
    CHECK_EQ(first.result.message, "");
    CHECK_EQ(code_of(Tap(options).result), "ERR_OVERLANE_BUSY");
  }
  for (uint32_t queues : {1, 2}) {
    const std::string multi = queues == 2 ? " multi_queue" : "";
    CHECK_EQ(space.ip("tuntap add eth0 mode tap" + multi), 0);
    TapPort::Options other = options;
    for (uint32_t wanted : {1, 2}) {  // it has as many as it was made for
      other.queues = wanted;
      Tap tap(other, 2);
      CHECK_EQ(tap.result.message, "");
      if (tap.ports.size() != 2) continue;
      CHECK_EQ(tap.ports[1]->descriptors().size(), queues == 2 && wanted == 2 ? 1u : 0u);
      CHECK_EQ(code_of(Tap(other, 2).result), "ERR_OVERLANE_BUSY");
    }
    CHECK_EQ(space.ip("link show eth0 >/dev/null"), 0);
    CHECK_EQ(space.ip("link del eth0"), 0);
  }
}

TEST("tap: a persistent one stays until it is discarded, and what is so already is not touched") {
  if (!test::have_root("tap: a persistent one stays")) return;
  Namespace space("tap-p");
  TapPort::Options options = options_for(space);
  options.persistent = true;
  options.link.alias = std::string(255, 'x');
  options.link.mac = load_mac(test::mac(2).data());
  options.link.mtu = 1450;
  options.link.gso_max_size = 30000;
  const uint8_t own[] = {10, 99, 0, 2};
  const uint8_t via[] = {10, 99, 0, 1};
  const auto own6 = test::hex("fd00 0099 0000 0000 0000 0000 0000 0002");
  options.link.addresses = {{IpAddress::v4(own), 24}, {IpAddress::v6(own6.data()), 64}};
  options.link.routes = {{{}, IpAddress::v4(via), {}}};
  { CHECK_EQ(Tap(options).result.message, ""); }
  const std::string before = space.output("ip -j -d link show eth0");
  CHECK(contains(before, "\"persist\":true") && contains(before, "\"ifalias\":\"xxx"));
  CHECK(contains(space.output("ip -j route"), "10.99.0.1"));
  CHECK_EQ(space.ip("address add 10.99.0.77/24 dev eth0 && ip -n " + space.name() + " route add 10.5.0.0/16 dev eth0"),
           0);
  const std::string watched = "/tmp/overlane-" + space.name();
  CHECK_EQ(test::run("(" + space.command("timeout 10 ip monitor link address route >" + watched) + " &) ; sleep 0.2"),
           0);
  {
    Tap tap(options);
    CHECK_EQ(tap.result.message, "");
    CHECK(tap.link.up);
    CHECK(tap.link.tap && tap.link.tap->persistent);
    CHECK_EQ(space.ip("link set lo mtu 60000"), 0);  // the end of what is to be seen
    const std::string seen = test::output_of("for i in $(seq 50); do grep -q 'mtu 60000' " + watched +
                                             " && break; sleep 0.05; done; cat " + watched + "; rm " + watched);
    CHECK(contains(seen, "mtu 60000"));
    for (const char* touched : {"state DOWN mode", "10.99.0", "fd00:99", "Deleted"}) CHECK(!contains(seen, touched));
    const std::string kept = space.output("ip -j address show eth0") + space.output("ip -j route");
    for (const char* part : {"10.99.0.2", "fd00:99::2", "10.99.0.77", "10.5.0.0/16"}) CHECK(contains(kept, part));
  }
  CHECK_EQ(
      space.ip("link set eth0 down && ip -n " + space.name() + " link set eth0 mtu 1300 address 02:00:00:00:00:55"), 0);
  {
    Tap tap(options);  // what somebody changed meanwhile is as told again
    CHECK_EQ(tap.result.message, "");
    CHECK(tap.link.up);
    CHECK_EQ(tap.link.mtu, 1450u);
    CHECK(tap.link.mac == *options.link.mac);
    CHECK(contains(space.output("ip -j route"), "\"gateway\":\"10.99.0.1\""));
    for (const auto& port : tap.ports) port->discard();
  }
  CHECK(space.ip("link show eth0 2>/dev/null") != 0);
  options.link.mtu = 65522;  // a failure after the interface was made
  CHECK_EQ(code_of(Tap(options).result), "ERR_OVERLANE_SYSTEM");
  CHECK(space.ip("link show eth0 2>/dev/null") != 0);
}

// Opens a TAP in a process without the capability; the code.
std::string without(int capability, const TapPort::Options& options) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    syscall(SYS_capget, &header, data);
    for (auto* set : {&data[0].effective, &data[0].permitted}) *set &= ~(1u << capability);
    syscall(SYS_capset, &header, data);
    const NetResult result = Tap(options).result;
    const std::string text = code_of(result) + " " + result.message;
    _exit(write(ends[1], text.data(), text.size()) < 0);
  }
  close(ends[1]);
  char text[512];
  const ssize_t n = read(ends[0], text, sizeof text);
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return {text, n > 0 ? static_cast<size_t>(n) : 0};
}

TEST("tap: a missing capability is named") {
  if (!test::have_root("tap: a missing capability is named")) return;
  Namespace space("tap-w");
  const std::string make = without(CAP_NET_ADMIN, options_for(space));
  CHECK(contains(make, "ERR_OVERLANE_PERMISSION cannot make the TAP eth0"));
  CHECK(contains(make, "this needs CAP_NET_ADMIN"));
  const std::string enter = without(CAP_SYS_ADMIN, options_for(space));
  CHECK(contains(enter, "ERR_OVERLANE_PERMISSION cannot enter the network namespace"));
  CHECK(contains(enter, "this needs CAP_SYS_ADMIN"));
  CHECK_EQ(without(CAP_CHOWN, options_for(space)), " ");
}

TEST("tap: one queue for two workers, and one for each") {
  if (!test::have_root("tap: one queue for two workers, and one for each")) return;
  Namespace space("tap-x");
  TapPort::Options options = options_for(space);
  Pools pools(16, 4);
  CounterRow row;
  {
    Tap tap(options, 2, 1);
    CHECK_EQ(tap.result.message, "");
    CHECK_EQ(tap.ports.size(), 2u);
    if (tap.ports.size() != 2) return;
    CHECK(tap.ports[0]->descriptors().empty() && tap.ports[0]->next_due() == kNever);
    CHECK_EQ(tap.ports[1]->descriptors().size(), 1u);
    CHECK(tap.ports[1]->next_due() == Port::kNow);
    Packet* packet = packet_of(pools, test::arp_request(3, 2));
    CHECK_EQ(tap.ports[0]->transmit(&packet, 1, row), 1u);
    tap.ports.erase(tap.ports.begin() + 1);
    CHECK_EQ(space.ip("link show eth0 >/dev/null"), 0);  // as long as there is any
    CHECK(contains(space.output("ip -j -s link show eth0"), "\"rx\":{\"bytes\":42,\"packets\":1,"));
  }
  options.queues = 2;
  Tap tap(options, 2);
  CHECK_EQ(tap.result.message, "");
  for (const auto& port : tap.ports) CHECK_EQ(port->descriptors().size(), 1u);
  CHECK(contains(space.output("ip -j -d link show eth0"), "\"multi_queue\":true,\"numqueues\":2"));
  CHECK_EQ(row.get(Counter::drop_link_down) + row.get(Counter::drop_port_error), 0u);
}

}  // namespace
}  // namespace overlane
