// A TAP whose interface goes down, or is deleted under our feet.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "test/live_lab.h"
#include "test/tap_lab.h"

namespace overlane {
namespace {

using namespace test;

TEST("tap: an interface that is down, deleted, or said to be") {
  if (!test::have_root("tap: an interface that is down, deleted, or said to be")) return;
  Namespace space("tap-y");
  Tap tap(options_for(space));
  CHECK_EQ(tap.result.message, "");
  if (!tap.result) return;
  Port& port = *tap.ports[0];
  EventRing events;
  port.report_to(&events, 7);
  Pools pools(16, 4);
  CounterRow row;
  const auto send = [&] {
    Packet* packets[2] = {packet_of(pools, test::arp_request(3, 2)), packet_of(pools, test::arp_request(3, 2))};
    CHECK_EQ(port.transmit(packets, 2, row), 2u);
    return row.get(Counter::drop_link_down);
  };
  CHECK_EQ(send(), 0u);
  CHECK_EQ(space.ip("link set eth0 down"), 0);
  CHECK_EQ(send(), 2u);
  CHECK_EQ(space.ip("link set eth0 up"), 0);
  CHECK_EQ(send(), 2u);
  port.link_changed({LinkState::down, tap.link.index, 1500});
  CHECK_EQ(send(), 4u);
  port.link_changed({LinkState::up, tap.link.index, 1500});
  CHECK_EQ(send(), 4u);
  CHECK_EQ(port.error(), "");

  const int fd = port.descriptors().at(0).fd;
  CHECK_EQ(space.ip("link del eth0"), 0);
  pollfd wait{fd, POLLIN, 0};
  CHECK_EQ(poll(&wait, 1, 2000), 1);
  CHECK(wait.revents & POLLERR);
  Packet* packets[4];
  for (int i = 0; i < 3; ++i) CHECK_EQ(port.receive(packets, 4, 5, 5, pools, row), 0u);
  port.attend(fd, 6);
  CHECK(contains(port.error(), "was deleted"));
  CHECK_EQ(std::string(port.error_name()), "ERR_OVERLANE_MISSING");
  CHECK(port.descriptors().empty());
  CHECK(port.next_due() == kNever);
  CHECK_EQ(send(), 6u);
  Event event;
  CHECK(events.pop(event) && event.kind == EventKind::failure && event.port == 7 && event.time == 5);
  CHECK(!events.pop(event));  // once

  Tap again(options_for(space));  // whoever writes first finds out as well
  CHECK_EQ(again.result.message, "");
  CHECK_EQ(space.ip("link del eth0"), 0);
  Packet* packet = packet_of(pools, test::arp_request(3, 2));
  CHECK_EQ(again.ports.at(0)->transmit(&packet, 1, row), 1u);
  CHECK_EQ(row.get(Counter::drop_link_down), 7u);
  CHECK(contains(again.ports[0]->error(), "was deleted"));
  CHECK(again.ports[0]->descriptors().empty());
  CHECK_EQ(pools.small().available(), pools.small().size());
  CHECK_EQ(pools.large().available(), pools.large().size());
}

// While worker 0 sends to it, and worker 1 receives, or both.
void check_told_once(uint32_t queues, bool watched) {
  Namespace space("tap-z");
  test::LiveLab lab(2);
  TapPort::Options options = options_for(space);
  options.queues = queues;
  Tap tap(options, 2, 1);
  CHECK_EQ(tap.result.message, "");
  if (!tap.result) return;
  const uint16_t from = lab.port(), port = lab.engine.add_port(std::move(tap.ports), 1500);
  lab.bridge({from, port});
  CHECK(static_cast<bool>(lab.engine.start()));
  if (watched) CHECK(static_cast<bool>(lab.engine.watch_link(port, space.path(), "eth0")));
  uint32_t failures = 0;
  const auto send_and_look = [&] {
    lab.inject(0, from, test::arp_request(1, 2));
    lab.engine.take_events(
        [&](const Event& event) { failures += event.kind == EventKind::failure && event.port == port; });
    return failures > 0;
  };
  CHECK(!send_and_look());
  CHECK_EQ(space.ip("link del eth0"), 0);
  CHECK(test::eventually(send_and_look));
  for (int i = 0; i < 20; ++i) {  // what else there is to be told
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    send_and_look();
  }
  CHECK_EQ(failures, 1u);
  lab.engine.ask(1, [&](Dataplane& dataplane) { CHECK(contains(dataplane.port(port)->error(), "was deleted")); });
  CHECK_EQ(lab.total(Counter::event_lost), 0u);
  lab.engine.stop();
  lab.check_balance();
}

// A descriptor that is always readable and never read: a listening socket to which somebody connects. Gives up the
// descriptor, and keeps the other side.
class Unreadable {
 public:
  Unreadable() : fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)), client_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{AF_UNIX, {}};
    socklen_t length = sizeof address.sun_family;  // the kernel chooses a name
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    CHECK_EQ(bind(fd, generic, length) | listen(fd, 1), 0);
    length = sizeof address;
    CHECK_EQ(getsockname(fd, generic, &length) | connect(client_, generic, length), 0);
  }
  ~Unreadable() { close(client_); }
  Unreadable(const Unreadable&) = delete;
  Unreadable& operator=(const Unreadable&) = delete;

  const int fd;

 private:
  const int client_;
};

Nanos cpu_time(Engine& engine) {
  timespec used{};
  engine.ask(0, [&](Dataplane&) { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used); });
  return Nanos{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

TEST("tap: one that cannot be read is told once, and its worker sleeps") {
  const Unreadable broken;
  test::LiveLab lab(1);
  std::vector<std::unique_ptr<Port>> ports;
  ports.push_back(std::make_unique<TapPort>(broken.fd, true, uint8_t{0}));
  const uint16_t port = lab.engine.add_port(std::move(ports), 1500);
  CHECK(static_cast<bool>(lab.engine.start()));
  uint32_t failures = 0;
  const auto look = [&] {
    lab.engine.take_events(
        [&](const Event& event) { failures += event.kind == EventKind::failure && event.port == port; });
    return failures > 0;
  };
  CHECK(test::eventually(look));
  const Nanos before = cpu_time(lab.engine);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(cpu_time(lab.engine) - before < 30'000'000);
  look();
  CHECK_EQ(failures, 1u);
  lab.engine.ask(0, [&](Dataplane& dataplane) {
    CHECK_EQ(dataplane.port(port)->error(), "cannot read the TAP: Invalid argument");
    CHECK(dataplane.port(port)->descriptors().empty());
  });
  lab.engine.stop();
  lab.check_balance();
}

TEST("tap: workers whose TAP is deleted tell once") {
  if (!test::have_root("tap: workers whose TAP is deleted tell once")) return;
  for (uint32_t queues : {1, 2}) {
    for (bool watched : {false, true}) check_told_once(queues, watched);
  }
}

}  // namespace
}  // namespace overlane
