// A packet port whose interface is made anew as one that it cannot use.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <cstring>

#include "engine/worker.h"
#include "test/veth.h"

namespace overlane {
namespace {

using namespace test;

// A TUN, which carries IP packets without Ethernet headers; it is there as long as the object.
class Tun {
 public:
  Tun(const Veth& space, const char* name) {
    in_namespace(space.path(), [&]() -> NetResult {
      ifreq request{};
      std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
      request.ifr_flags = IFF_TUN | IFF_NO_PI;
      fd_ = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
      CHECK_EQ(ioctl(fd_, TUNSETIFF, &request), 0);
      return {};
    });
    CHECK_EQ(space.ip(std::string("link set ") + name + " up"), 0);
  }
  ~Tun() { close(fd_); }
  Tun(const Tun&) = delete;
  Tun& operator=(const Tun&) = delete;

  // As if the packet had come in there.
  void arrive(const Bytes& packet) const {
    CHECK_EQ(write(fd_, packet.data(), packet.size()), static_cast<ssize_t>(packet.size()));
  }

 private:
  int fd_ = -1;
};

// The ports of all workers, and what each told.
class Told {
 public:
  explicit Told(PacketPorts& ports) : ports_(ports), rings_(ports.ports.size()) {
    for (size_t i = 0; i < rings_.size(); ++i) ports.ports[i]->report_to(&rings_[i], 9);
  }
  void link(const LinkInfo& now) {
    for (auto& port : ports_.ports) port->link_changed(now);
  }
  // Each told `count` failures since the last call, and now has an error that contains `part`; none when it is null.
  void check(uint32_t count, const char* part) {
    for (size_t i = 0; i < rings_.size(); ++i) {
      uint32_t failures = 0;
      for (Event event; rings_[i].pop(event);) failures += event.kind == EventKind::failure && event.port == 9;
      CHECK_EQ(failures, count);
      const std::string error = ports_[i].error();
      if (part == nullptr) CHECK_EQ(error, "");
      if (part != nullptr && error.find(part) == std::string::npos) CHECK_EQ(error, part);
      CHECK_EQ(ports_[i].descriptors().size(), part == nullptr ? 1u : 0u);
    }
  }

 private:
  PacketPorts& ports_;
  std::vector<EventRing> rings_;
};

void refuse_and_accept(uint32_t workers, uint32_t queues) {
  Veth space("packet-refused");
  auto options = PacketPorts::on(space, "p0");
  options.queues = queues;
  PacketPorts port(options, workers);
  if (!port.result) return;
  Told told(port);
  const Bytes packet = test::hex("4500 001c 0001 0000 4011 0000 0a000001 0a000002 1388 1389 0008 0000");
  for (int round = 0; round < 2; ++round) {  // what worked in between is told again
    CHECK_EQ(space.ip("link del p0"), 0);
    told.link({LinkState::gone, 0, 0});
    told.check(1, "p0 was deleted");
    {
      const Tun tun(space, "p0");
      const uint32_t index = space.index("p0");
      for (uint32_t message = 0; message < 3; ++message) {
        told.link({LinkState::up, index, 1500 - message});
        told.check(message == 0 ? 1 : 0, "p0 carries no Ethernet frames");
      }
      tun.arrive(packet);
      for (size_t worker = 0; worker < workers; ++worker) {
        CHECK_EQ(port[worker].next_due(), kNever);
        CHECK_EQ(port.receive_bytes(worker).size(), 0u);
      }
      const uint64_t lost = port.count(Counter::drop_link_down);
      CHECK_EQ(port.send({test::arp_request(1, 2)}), 1u);
      CHECK_EQ(port.count(Counter::drop_link_down), lost + 1);
    }
    space.plug();
    told.link({LinkState::up, space.index("p0"), 1500});
    told.check(0, nullptr);
    Raw raw(space, "p1");
    const Bytes frame = test::arp_request(1, 2);
    CHECK(raw.send(frame));
    std::vector<Bytes> got;
    for (size_t worker = 0; worker < workers; ++worker) {
      for (const Bytes& one : port.receive_bytes(worker)) got.push_back(one);
      CHECK_EQ(port.send({frame}, worker), 1u);
      CHECK(raw.receive() == frame);
    }
    CHECK(got == std::vector<Bytes>{frame});
  }
  CHECK(port.all_released());
}

TEST("packet port: an interface that comes back as one without Ethernet is told once, and not used") {
  if (!test::have_root("packet port: comes back without Ethernet")) return;
  refuse_and_accept(1, 1);
}

TEST("packet port: the same as seen by several workers") {
  if (!test::have_root("packet port: comes back without Ethernet, workers")) return;
  refuse_and_accept(2, 1);
  refuse_and_accept(2, 2);
}

TEST("packet port: a failure that there was no room to tell is counted") {
  if (!test::have_root("packet port: a failure without room")) return;
  Veth space("packet-untold");
  PacketPorts port(PacketPorts::on(space, "p0"));
  if (!port.result) return;
  Worker worker(0, {}, {}, [] {});
  Dataplane& dataplane = worker.dataplane();
  const uint16_t index = dataplane.add_port(std::move(port.ports[0]), 1500);
  worker.watch_port(index);
  while (worker.events().push({})) continue;
  for (int i = 0; i < 2; ++i) {
    dataplane.port(index)->link_changed({LinkState::gone, 0, 0});
    worker.watch_port(index);
    CHECK_EQ(dataplane.context().counters.total(Counter::event_lost), 1u);
  }
}

}  // namespace
}  // namespace overlane
