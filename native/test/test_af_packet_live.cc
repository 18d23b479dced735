// The packet port under real traffic: TCP through two of them, several workers, interfaces that go and come back.
#include <atomic>
#include <set>
#include <thread>

#include "test/veth.h"

namespace overlane {
namespace {

using namespace test;

// Two namespaces with an address each; the other ends of their interfaces in a third, where two ports are glued.
class Pair {
 public:
  Pair() : left("packet-l"), right("packet-r"), middle("packet-m") {
    middle.run("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
    cable(left, "l0", 2);
    cable(right, "r0", 3);
  }
  void cable(const Namespace& space, const std::string& end, int last) {
    CHECK_EQ(middle.ip("link add " + end + " type veth peer name eth0 netns " + space.name()), 0);
    const std::string address = std::to_string(last);
    CHECK_EQ(middle.ip("link set " + end + " up") | space.ip("addr add 10.98.0." + address + "/24 dev eth0") |
                 space.ip("addr add fd98::" + address + "/64 dev eth0 nodad") | space.ip("link set eth0 up"),
             0);
  }
  Namespace left, right, middle;
};

// Carries both ways in a thread, as a worker would.
class Glue {
 public:
  Glue(PacketPorts& a, PacketPorts& b) : sides_{&a, &b}, thread_([this] { work(); }) {}
  ~Glue() { stop(); }
  void stop() {
    done_ = true;
    if (thread_.joinable()) thread_.join();
  }
  uint64_t supers() const { return supers_; }
  uint32_t longest() const { return longest_; }

 private:
  void work() {
    while (!done_) {
      pollfd waits[] = {{(*sides_[0])[0].descriptors().at(0).fd, POLLIN, 0},
                        {(*sides_[1])[0].descriptors().at(0).fd, POLLIN, 0}};
      if (poll(waits, 2, 20) <= 0) continue;
      for (int i = 0; i < 2; ++i) carry(*sides_[i], *sides_[1 - i]);
    }
  }
  void carry(PacketPorts& from, PacketPorts& to) {
    auto packets = from.receive(0, 64);
    for (const Packet* packet : packets) {
      supers_ += packet->segment != 0;
      longest_ = std::max(longest_, packet->length);
    }
    if (!packets.empty()) to.send(packets);
  }

  PacketPorts* sides_[2];
  std::atomic<uint64_t> supers_{0};
  uint32_t longest_ = 0;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

// What the receiver hashed, of 48 MiB; the sender sends what /dev/urandom gave into a file.
void transfer(const Pair& pair, const std::string& address) {
  const std::string folder = test::output_of("mktemp -d | tr -d '\\n'");
  const std::string file = folder + "/sent";
  test::run("head -c 48M /dev/urandom >" + file);
  const std::string server =
      "import socket,hashlib\n"
      "s=socket.create_server((\"" +
      address + "\",5005),family=socket.AF_INET6 if \":\" in \"" + address +
      "\" else socket.AF_INET)\ns.settimeout(20)\nc,_=s.accept()\nc.settimeout(20)\nh=hashlib.sha256()\n"
      "while d:=c.recv(1<<20): h.update(d)\nprint(h.hexdigest())\n";
  const std::string client = "import socket,time\nfor i in range(50):\n  try: s=socket.create_connection((\"" +
                             address + "\",5005),5); break\n  except OSError: time.sleep(0.1)\ns.sendfile(open(\"" +
                             file + "\",\"rb\"))\n";
  const std::string got = test::output_of("(" + pair.left.command("timeout 40 python3 -c '" + client + "'") + ") & " +
                                          pair.right.command("timeout 40 python3 -c '" + server + "'") + "; wait");
  CHECK_EQ(got.substr(0, 64), test::output_of("sha256sum <" + file).substr(0, 64));
  test::run("rm -r " + folder);
}

TEST("packet port: TCP through two of them arrives as it was, in super-frames") {
  if (!test::have_root("packet port: TCP")) return;
  Pair pair;
  PacketPorts a(PacketPorts::on(pair.middle, "l0"));
  PacketPorts b(PacketPorts::on(pair.middle, "r0"));
  if (!a.result || !b.result) return;
  Glue glue(a, b);
  CHECK_EQ(pair.left.run("ping -c 3 -i 0.1 -W 2 -q 10.98.0.3 >/dev/null"), 0);
  for (const char* address : {"10.98.0.3", "fd98::3"}) {
    const uint64_t before = glue.supers();
    transfer(pair, address);
    CHECK(glue.supers() - before > 100);
  }
  glue.stop();
  CHECK(glue.longest() > 32768);
  CHECK(a.all_released() && b.all_released());
  CHECK_EQ(a.count(Counter::drop_offload) + b.count(Counter::drop_offload), 0u);
  const auto out = [](const PacketPorts& of) {
    return of.count(Counter::tx_packets) + of.count(Counter::drop_port_full);
  };
  CHECK_EQ(a.count(Counter::rx_packets) + b.count(Counter::rx_packets), out(a) + out(b));
}

TEST("packet port: super-frames over 64 KiB (BIG TCP) are counted, and what follows still fits") {
  if (!test::have_root("packet port: BIG TCP")) return;
  Pair pair;
  PacketPorts a(PacketPorts::on(pair.middle, "l0"));
  PacketPorts b(PacketPorts::on(pair.middle, "r0"));
  if (!a.result || !b.result) return;
  Glue glue(a, b);
  CHECK_EQ(pair.left.ip("link set eth0 gso_max_size 180000"), 0);
  const std::string server =
      "import "
      "socket\ns=socket.create_server((\"fd98::3\",5005),family=socket.AF_INET6)\ns.settimeout(9)\nc,_=s.accept()\n"
      "c.settimeout(2)\nwhile c.recv(1<<20): pass\n";
  const std::string client =
      "import socket,time\ntime.sleep(0.7)\ns=socket.create_connection((\"fd98::3\",5005),5)\ns.settimeout(2)\n"
      "s.sendall(bytes(32<<20))\n";
  test::run("(" + pair.left.command("timeout 9 python3 -c '" + client + "' 2>/dev/null") + ") & " +
            pair.right.command("timeout 9 python3 -c '" + server + "' 2>/dev/null") + "; wait");
  CHECK_EQ(pair.left.run("ping -c 3 -i 0.1 -W 2 -s 1400 -q fd98::3 >/dev/null"), 0);
  glue.stop();
  CHECK(a.count(Counter::drop_oversize) > 0);
  CHECK(a.all_released() && b.all_released());
}

TEST("packet port: USO super-frames of a kernel's UDP go through whole") {
  if (!test::have_root("packet port: USO")) return;
  Pair pair;
  PacketPorts a(PacketPorts::on(pair.middle, "l0"));
  PacketPorts b(PacketPorts::on(pair.middle, "r0"));
  if (!a.result || !b.result) return;
  Glue glue(a, b);
  const std::string server =
      "import "
      "socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.bind((\"10.98.0.3\",5006))\ns.settimeout(10)\n"
      "print(\" \".join(str(len(s.recv(2000))) for i in range(11)))\n";
  const std::string client =
      "import socket,time\ntime.sleep(0.7)\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
      "s.setsockopt(17,103,1000)\ns.sendto(b\"x\"*10300,(\"10.98.0.3\",5006))\n";  // UDP_SEGMENT
  const std::string got = test::output_of("(" + pair.left.command("timeout 20 python3 -c '" + client + "'") + ") & " +
                                          pair.right.command("timeout 20 python3 -c '" + server + "'") + "; wait");
  glue.stop();
  CHECK_EQ(got, "1000 1000 1000 1000 1000 1000 1000 1000 1000 1000 300\n");
  CHECK_EQ(glue.supers(), 1u);
  CHECK(b[0].offloads() & kTakesUso);
}

TEST("packet port: several workers share flows out, and none hears the others") {
  if (!test::have_root("packet port: fanout")) return;
  Veth space("packet-fanout");
  auto options = PacketPorts::on(space, "p0");
  options.queues = 3;
  PacketPorts port(options, 3);
  if (!port.result) return;
  Raw raw(space, "p1");
  for (int round = 0; round < 2; ++round) {
    std::multiset<Bytes> sent, got;
    for (int i = 0; i < 200; ++i) {
      sent.insert(test::udp_frame(test::mac(2), test::mac(3), static_cast<uint8_t>(i), 2));
    }
    for (const Bytes& frame : sent) CHECK(raw.send(frame));
    for (size_t worker = 0; worker < 3; ++worker) {
      const auto part = port.receive_bytes(worker);
      CHECK(part.size() > 20);
      got.insert(part.begin(), part.end());
    }
    CHECK(got == sent);
    for (size_t worker = 0; worker < 3; ++worker) {
      const Bytes frame = test::arp_request(1, static_cast<uint8_t>(worker));
      CHECK_EQ(port.send({frame}, worker), 1u);
      CHECK(raw.receive() == frame);
    }
    for (size_t worker = 0; worker < 3; ++worker) CHECK_EQ(port.receive(worker).size(), 0u);
  }
}

// Deletes the interface under traffic, makes it again, and tells the ports as a link monitor does.
void lose_and_find(uint32_t workers, uint32_t queues) {
  Veth space("packet-gone");
  auto options = PacketPorts::on(space, "p0");
  options.queues = queues;
  PacketPorts port(options, workers);
  if (!port.result) return;
  const Bytes frame = test::arp_request(1, 2);
  const auto receive_all = [&] {
    size_t count = 0;
    for (size_t worker = 0; worker < workers; ++worker) count += port.receive_bytes(worker).size();
    return count;
  };
  EventRing events;
  for (size_t i = 0; i < workers; ++i) port.ports[i]->report_to(&events, 9);
  for (int round = 0; round < 3; ++round) {
    for (Event before; events.pop(before);) continue;
    std::atomic<bool> deleted{false};
    std::thread killer([&] {
      usleep(20000);
      CHECK_EQ(space.ip("link del p0"), 0);
      deleted = true;
    });
    while (!deleted) {
      for (size_t worker = 0; worker < workers; ++worker) port.send({frame, frame}, worker);
      receive_all();
    }
    killer.join();
    const uint64_t lost = port.count(Counter::drop_link_down);
    CHECK_EQ(port.send({frame, frame}), 2u);
    CHECK_EQ(port.count(Counter::drop_link_down), lost + 2);
    for (auto& one : port.ports) {
      // Whatever condition there is, attending to it ends it: nobody spins.
      pollfd wait{one->descriptors().at(0).fd, POLLIN, 0};
      if (poll(&wait, 1, 0) > 0) one->attend(wait.fd, 0);
      CHECK_EQ(poll(&wait, 1, 0), 0);
      if (round == 1) one->link_changed({LinkState::gone, port.link.index, 0});  // told, or not in time
      CHECK_EQ(one->next_due(), kNever);
      if (round != 1) continue;
      CHECK(one->descriptors().empty());
      CHECK(one->error().find("p0 was deleted") != std::string::npos);
      Event event;  // once each, whoever found out, and with the number of the port
      CHECK(events.pop(event) && event.kind == EventKind::failure && event.port == 9);
      CHECK(!events.pop(event));
    }
    CHECK_EQ(port.send({frame}), 1u);

    space.plug();
    port.link.index = space.index("p0");
    for (auto& one : port.ports) one->link_changed({LinkState::up, port.link.index, 1500});
    Raw raw(space, "p1");
    for (int i = 0; i < 20; ++i) CHECK(raw.send(frame));
    CHECK_EQ(receive_all(), 20u);
    for (size_t worker = 0; worker < workers; ++worker) {
      CHECK_EQ(port.ports[worker]->error(), "");
      CHECK_EQ(port.send({frame}, worker), 1u);
      CHECK(raw.receive() == frame);
    }
  }
  CHECK(port.all_released());
}

TEST("packet port: an interface that is deleted and made again is used again") {
  if (!test::have_root("packet port: deleted")) return;
  lose_and_find(1, 1);
}

TEST("packet port: the same with several workers") {
  if (!test::have_root("packet port: deleted, workers")) return;
  lose_and_find(2, 2);
}

TEST("packet port: the same with several workers of which one receives") {
  if (!test::have_root("packet port: deleted, one receives")) return;
  lose_and_find(2, 1);
}

}  // namespace
}  // namespace overlane
