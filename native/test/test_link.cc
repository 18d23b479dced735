// Interfaces by rtnetlink, and watching them, against iproute2 as the judge.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <thread>

#include "net/link_monitor.h"
#include "test/check.h"
#include "test/frames.h"
#include "test/root.h"

namespace overlane {
namespace {

using test::Namespace;

std::string code_of(const NetResult& result) {
  return result.code == nullptr ? "" : result.code;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Makes an interface that is up and has a carrier: one end of a veth pair, as every kernel has those.
void add_link(const Namespace& space, const std::string& name, const std::string& more = "") {
  const std::string ip = "ip -n " + space.name() + " link ";
  CHECK_EQ(test::run(ip + "add " + name + more + " type veth peer name " + name + "p && " + ip + "set " + name +
                     "p up && " + ip + "set " + name + " up"),
           0);
}

// What a monitor reported, to wait for.
class Reports {
 public:
  LinkMonitor::Changed taker() {
    return [this](uint16_t id, const LinkInfo& link) {
      std::unique_lock lock(mutex_);
      seen_.push_back({id, link});
      changed_.notify_all();
      changed_.wait_for(lock, std::chrono::seconds(20), [this] { return !held_; });
    };
  }
  // Waits for the next report of which `fits` is true; the ones before it are passed over. False: none in 5 seconds.
  template <typename F>
  bool next(uint16_t id, F fits) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(5), [&] {
      while (at_ < seen_.size()) {
        const auto& [seen_id, link] = seen_[at_++];
        if (seen_id == id && fits(link)) return last = link, true;
      }
      return false;
    });
  }
  bool next(uint16_t id, LinkState state) {
    return next(id, [state](const LinkInfo& link) { return link.state == state; });
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return seen_.size();
  }
  // While held, the monitor's thread does not come back from a report.
  void hold(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }
  LinkInfo last;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<uint16_t, LinkInfo>> seen_;
  size_t at_ = 0;
  bool held_ = false;
};

TEST("netns: a namespace that is not there, and what is none") {
  const auto nothing = [] { return NetResult{}; };
  const NetResult named = in_namespace("/run/netns/tap-none", nothing);
  CHECK_EQ(code_of(named), "ERR_OVERLANE_MISSING");
  CHECK_EQ(named.message, "no network namespace /run/netns/tap-none: create it with: ip netns add tap-none");
  const NetResult process = in_namespace("/proc/0/ns/net", nothing);
  CHECK_EQ(code_of(process), "ERR_OVERLANE_MISSING");
  CHECK(contains(process.message, "still running"));
}

TEST("netns: work is done there, by a thread of its own, and its result and exceptions come back") {
  if (!test::have_root("netns: work is done there")) return;
  Namespace space("tap-n");
  LinkDetails details;
  add_link(space, "odd0");
  const auto look = [&] { return find_link("odd0", details); };
  CHECK_EQ(code_of(in_namespace(space.path(), look)), "");
  CHECK_EQ(details.kind, "veth");
  CHECK_EQ(code_of(find_link("odd0", details)), "ERR_OVERLANE_MISSING");  // this thread never left its own
  const auto throws = []() -> NetResult { throw std::runtime_error("odd"); };
  const NetResult thrown = in_namespace(space.path(), throws);
  CHECK_EQ(code_of(thrown), "ERR_OVERLANE_SYSTEM");
  CHECK(contains(thrown.message, "odd"));
  const NetResult file = in_namespace("/etc/passwd", look);
  CHECK_EQ(code_of(file), "ERR_OVERLANE_OPTION");
}

TEST("link: an interface is configured as told, and again, and found by name, index and address") {
  if (!test::have_root("link: an interface is configured as told")) return;
  Namespace space("tap-l");
  add_link(space, "odd0");
  LinkSettings settings;
  settings.mac = load_mac(test::mac(9).data());
  settings.mtu = 1400;
  settings.gso_max_size = 32768;
  settings.tx_queue_length = 77;
  const uint8_t own4[] = {10, 7, 0, 1};
  const uint8_t via4[] = {10, 7, 0, 254};
  const uint8_t net4[] = {10, 8, 0, 0};
  const auto own6 = test::hex("fd07 0000 0000 0000 0000 0000 0000 0001");
  const auto via6 = test::hex("fd07 0000 0000 0000 0000 0000 0000 00fe");
  settings.addresses = {{IpAddress::v4(own4), 24}, {IpAddress::v6(own6.data()), 64}};
  settings.routes = {{{IpAddress::v4(net4), 16}, std::nullopt},
                     {{}, IpAddress::v4(via4)},
                     {{IpAddress{}, 0}, IpAddress::v6(via6.data())}};
  for (int time = 0; time < 2; ++time) {
    const NetResult done = in_namespace(space.path(), [&] { return configure_link("odd0", settings); });
    CHECK_EQ(done.message, "");
  }
  const std::string link = space.output("ip -j -d link show odd0");
  for (const char* part :
       {"\"address\":\"02:42:0a:00:00:09\"", "\"mtu\":1400", "\"gso_max_size\":32768", "\"UP\"", "\"txqlen\":77"}) {
    CHECK(contains(link, part));
  }
  const std::string addresses = space.output("ip -j address show odd0");
  CHECK(contains(addresses, "\"local\":\"10.7.0.1\",\"prefixlen\":24"));
  CHECK(contains(addresses, "\"local\":\"fd07::1\",\"prefixlen\":64"));
  CHECK(!contains(space.output("ip -j -6 address show dev odd0 tentative"), "fd07::1"));
  const std::string routes = space.output("ip -j route show dev odd0");
  CHECK(contains(routes, "\"dst\":\"10.8.0.0/16\""));
  CHECK(contains(routes, "\"dst\":\"default\",\"gateway\":\"10.7.0.254\""));
  CHECK(contains(space.output("ip -j -6 route show dev odd0"), "\"dst\":\"default\",\"gateway\":\"fd07::fe\""));

  LinkDetails details;
  std::string name;
  const auto find = [&] { return find_link_of(IpAddress::v6(own6.data()), details, name); };
  CHECK_EQ(in_namespace(space.path(), find).message, "");
  CHECK_EQ(name, "odd0");
  CHECK_EQ(details.mtu, 1400u);
  CHECK(details.mac == *settings.mac);
  CHECK(details.up);
  LinkDetails by_index;
  const auto find_index = [&] { return find_link(details.index, by_index); };
  CHECK_EQ(in_namespace(space.path(), find_index).message, "");
  CHECK_EQ(by_index.name, "odd0");
  const auto find_other = [&] { return find_link_of(IpAddress::v4(via4), details, name); };
  CHECK_EQ(in_namespace(space.path(), find_other).message, "no interface has the address 10.7.0.254");

  CHECK_EQ(in_namespace(space.path(), [] { return delete_link("odd0"); }).message, "");
  CHECK(space.ip("link show odd0 2>/dev/null") != 0);
}

TEST("link: what the kernel refuses is said in its words, and another's route is not replaced") {
  if (!test::have_root("link: what the kernel refuses")) return;
  Namespace space("tap-r");
  add_link(space, "odd0");
  add_link(space, "odd1");
  CHECK_EQ(space.ip("route add 10.8.0.0/16 dev odd1"), 0);
  const auto configure = [&](const LinkSettings& settings) {
    return in_namespace(space.path(), [&] { return configure_link("odd0", settings); });
  };
  const uint8_t net4[] = {10, 8, 0, 0};
  LinkSettings route;
  route.routes = {{{IpAddress::v4(net4), 16}, std::nullopt}};
  CHECK_EQ(code_of(configure(route)), "ERR_OVERLANE_BUSY");
  CHECK(contains(space.output("ip route"), "10.8.0.0/16 dev odd1"));
  LinkSettings mac;
  mac.mac = 1;  // 01:00:00:00:00:00, a group
  CHECK_EQ(code_of(configure(mac)), "ERR_OVERLANE_SYSTEM");
  LinkSettings mtu;
  mtu.mtu = 20;
  CHECK(contains(configure(mtu).message, "mtu less than device minimum"));
  LinkSettings length;
  length.addresses = {{IpAddress::v4(net4), 33}};
  CHECK_EQ(code_of(configure(length)), "ERR_OVERLANE_OPTION");
  CHECK_EQ(space.run("sysctl -qw net.ipv6.conf.odd0.disable_ipv6=1"), 0);
  LinkSettings six;
  six.addresses = {{IpAddress{0xfd, 1}, 64}};
  CHECK_EQ(code_of(configure(six)), "ERR_OVERLANE_UNSUPPORTED");
  for (const char* name : {"", "a-name-too-long-", "a/b", "tap%d", "..", "a b"}) {
    LinkDetails details;
    CHECK_EQ(code_of(find_link(name, details)), "ERR_OVERLANE_OPTION");
  }
}

TEST("link monitor: down, up, MTU, gone and made anew, in two namespaces") {
  if (!test::have_root("link monitor: down, up, MTU, gone and made anew")) return;
  Namespace left("tap-m");
  Namespace right("tap-o");
  add_link(left, "odd0");
  Reports reports;
  LinkMonitor monitor(reports.taker());
  LinkInfo first;
  LinkInfo second;
  CHECK_EQ(monitor.watch(1, left.path(), "odd0", first).message, "");
  CHECK_EQ(monitor.watch(2, right.path(), "odd0", second).message, "");
  CHECK_EQ(first.state, LinkState::up);
  CHECK_EQ(first.mtu, 1500u);
  CHECK_EQ(second.state, LinkState::gone);
  LinkInfo third;
  CHECK_EQ(code_of(monitor.watch(1, left.path(), "odd0", third)), "ERR_OVERLANE_EXISTS");
  CHECK_EQ(code_of(monitor.watch(3, "/run/netns/tap-none", "odd0", third)), "ERR_OVERLANE_MISSING");

  CHECK_EQ(left.ip("link set odd0 down"), 0);
  CHECK(reports.next(1, LinkState::down));
  CHECK_EQ(left.ip("link set odd0 up"), 0);
  CHECK(reports.next(1, LinkState::up));
  CHECK_EQ(left.ip("link set odd0 mtu 1300"), 0);
  CHECK(reports.next(1, [](const LinkInfo& link) { return link.mtu == 1300; }));
  add_link(right, "odd0");
  CHECK(reports.next(2, LinkState::up));
  CHECK_EQ(left.ip("link del odd0"), 0);
  CHECK(reports.next(1, LinkState::gone));
  add_link(left, "odd0", " index 4711");
  CHECK(reports.next(1, LinkState::up));
  CHECK_EQ(reports.last.index, 4711u);

  // An interface that leaves a bridge is not gone, and one that is renamed is still the same.
  const size_t before = reports.count();
  CHECK_EQ(left.ip("link add br0 type bridge && ip -n " + left.name() + " link set odd0 master br0"), 0);
  CHECK_EQ(left.ip("link set odd0 nomaster"), 0);
  CHECK_EQ(left.ip("link set odd0 name odd1"), 0);
  CHECK_EQ(left.ip("link set odd1 mtu 1200"), 0);
  CHECK(reports.next(1, [](const LinkInfo& link) { return link.mtu == 1200; }));
  CHECK_EQ(reports.count(), before + 1);

  monitor.unwatch(1);
  const size_t after = reports.count();
  CHECK_EQ(left.ip("link set odd1 mtu 1100"), 0);
  CHECK_EQ(right.ip("link set odd0 mtu 1100"), 0);
  CHECK(reports.next(2, [](const LinkInfo& link) { return link.mtu == 1100; }));
  CHECK_EQ(reports.count(), after + 1);
}

TEST("link monitor: after more changes than a socket holds, the last state is told") {
  if (!test::have_root("link monitor: after more changes than a socket holds")) return;
  Namespace space("tap-f");
  add_link(space, "odd0");
  Reports reports;
  LinkMonitor monitor(reports.taker());
  LinkInfo link;
  CHECK_EQ(monitor.watch(1, space.path(), "odd0", link).message, "");
  reports.hold(true);
  std::string changes;
  for (int i = 0; i < 1500; ++i) changes += "link set odd0 mtu " + std::to_string(1000 + i % 7) + "\\n";
  changes += "link set odd0 mtu 1234\\nlink set odd0 down\\n";
  CHECK_EQ(test::run("printf '" + changes + "' | ip -n " + space.name() + " -batch -"), 0);
  reports.hold(false);
  CHECK(reports.next(1, [](const LinkInfo& now) { return now.state == LinkState::down && now.mtu == 1234; }));
  CHECK(reports.count() < 1400);  // some were lost, or this shows nothing
}

TEST("link monitor: ends at once, with watches or without") {
  using Clock = std::chrono::steady_clock;
  const auto begun = Clock::now();
  {
    LinkMonitor idle([](uint16_t, const LinkInfo&) {});
  }
  {
    LinkMonitor monitor([](uint16_t, const LinkInfo&) {});
    LinkInfo link;
    CHECK_EQ(monitor.watch(1, "", "lo", link).message, "");
    CHECK(link.index != 0);
    monitor.unwatch(1);
    monitor.unwatch(2);
    CHECK_EQ(monitor.watch(1, "", "lo", link).message, "");
  }
  CHECK(Clock::now() - begun < std::chrono::milliseconds(500));
}

}  // namespace
}  // namespace overlane
