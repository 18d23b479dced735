// The tap port against the kernel: two TAPs in two namespaces, glued by receive() and transmit(), with real traffic.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "offload/segment.h"
#include "test/tap_lab.h"

namespace overlane {
namespace {

using test::Namespace;
using test::Tap;

IpPrefix prefix(std::initializer_list<uint8_t> bytes, uint8_t length) {
  return {bytes.size() == 4 ? IpAddress::v4(bytes.begin()) : IpAddress::v6(bytes.begin()), length};
}

TapPort::Options options_for(const Namespace& space, uint8_t last) {
  TapPort::Options options = test::options_for(space);
  options.link.mac = load_mac(test::mac(last).data());
  options.link.mtu = 1450;
  options.link.addresses = {prefix({10, 99, 0, last}, 24),
                            prefix({0xfd, 0, 0, 0x99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}, 64)};
  return options;
}

Nanos now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Carries what one port receives to the other, both ways, in a thread. `wire`: super-frames are cut into packets
// before.
class Glue {
 public:
  Glue(Port& a, Port& b, bool wire = false) : ports_{&a, &b}, wire_(wire), thread_([this] { work(); }) {}
  ~Glue() { stop(); }
  void stop() {
    done_ = true;
    if (thread_.joinable()) thread_.join();
  }
  uint64_t total(Counter counter) const { return rows_[0].get(counter) + rows_[1].get(counter); }
  // By the law of core/counters.def, for what may happen here.
  int64_t imbalance() const {
    const uint64_t in = total(Counter::rx_packets) + total(Counter::segmented);
    const uint64_t out = total(Counter::tx_packets) + total(Counter::coalesced) + total(Counter::drop_offload) +
                         total(Counter::drop_link_down) + total(Counter::drop_port_error) +
                         total(Counter::drop_port_full) + total(Counter::drop_pool_empty);
    return static_cast<int64_t>(in - out);
  }
  uint64_t super_frames = 0;
  uint64_t partial = 0;
  uint32_t missing = 0;  // buffers that did not come back

 private:
  void work() {
    Pools pools(4096, 256);
    while (!done_) {
      pollfd waits[2];
      for (int i = 0; i < 2; ++i) waits[i] = {ports_[i]->descriptors().at(0).fd, POLLIN, 0};
      if (poll(waits, 2, 20) <= 0) continue;
      for (int i = 0; i < 2; ++i) carry(i, pools);
    }
    missing = pools.large().size() - pools.large().available() + pools.small().size() - pools.small().available();
  }
  void carry(int from, Pools& pools) {
    Packet* burst[64];
    Packet* out[kMaxBurst];
    const uint32_t count = ports_[from]->receive(burst, 64, now(), 0, pools, rows_[from]);
    rows_[from].add(Counter::rx_packets, count);
    uint32_t made = 0;
    for (uint32_t i = 0; i < count; ++i) {
      Packet* packet = burst[i];
      packet->headers = parse_frame(packet->data, packet->length);
      super_frames += packet->segment != 0;
      partial += (packet->flags & kPartialChecksum) != 0;
      if (made > kMaxBurst - 64) send(1 - from, out, made);
      if (wire_ && packet->segment != 0) {
        const uint32_t parts = cut(packet, out + made, kMaxBurst - made, pools);
        CHECK(parts > 0);
        rows_[from].add(Counter::segmented, parts - 1);
        made += parts;
      } else {
        out[made++] = packet;
      }
    }
    send(1 - from, out, made);
  }
  void send(int to, Packet** packets, uint32_t& count) {
    for (uint32_t i = 0; i < count; ++i) {
      packets[i]->headers = parse_frame(packets[i]->data, packets[i]->length);
      rows_[to].add(Counter::tx_bytes, packets[i]->length);
    }
    rows_[to].add(Counter::tx_packets, count);
    CHECK_EQ(ports_[to]->transmit(packets, count, rows_[to]), count);
    count = 0;
  }

  Port* ports_[2];
  bool wire_;
  CounterRow rows_[2];
  std::atomic<bool> done_{false};
  std::thread thread_;
};

// Sends 64 MiB from one to the other; true when the SHA-256 of both ends agree.
bool transfers(const Namespace& from, const Namespace& to, const std::string& address) {
  const std::string file = "/tmp/" + to.name() + ".sha256";
  const std::string server =
      "python3 -c \"import socket,hashlib\n"
      "s=socket.create_server(('" +
      address + "',5001),family=socket.AF_INET6 if ':' in '" + address +
      "' else socket.AF_INET)\nc,_=s.accept();h=hashlib.sha256();n=0\n"
      "while d:=c.recv(1<<20): h.update(d);n+=len(d)\nprint(n,h.hexdigest())\" >" +
      file;
  const std::string client =
      "python3 -c \"import socket,hashlib,random,time\nd=random.Random(1).randbytes(64<<20)\n"
      "for i in range(100):\n"
      "  try: c=socket.create_connection(('" +
      address +
      "',5001),5);break\n"
      "  except OSError: time.sleep(.05)\n"
      "c.settimeout(30);c.sendall(d);c.close();print(len(d),hashlib.sha256(d).hexdigest())\"";
  const std::string sent =
      test::output_of("(timeout 40 " + to.command(server) + ") & timeout 40 " + from.command(client) + "; wait");
  const std::string received = test::output_of("cat " + file + "; rm -f " + file);
  return sent == received && sent.rfind("67108864 ", 0) == 0;
}

struct Pair {
  Namespace left{"tap-a"};
  Namespace right{"tap-b"};
  Tap a;
  Tap b;
  explicit Pair(bool offload = true) : a(with(left, 2, offload)), b(with(right, 3, offload)) {
    CHECK_EQ(a.result.message, "");
    CHECK_EQ(b.result.message, "");
  }
  static TapPort::Options with(const Namespace& space, uint8_t last, bool offload) {
    TapPort::Options options = options_for(space, last);
    options.offload = offload;
    return options;
  }
  explicit operator bool() const { return a.result && b.result; }
};

// With OVERLANE_IPERF set: what one TCP stream gets, for people. The server is no daemon, so that its timeout holds.
void show_throughput(const Pair& pair) {
  if (getenv("OVERLANE_IPERF") == nullptr) return;
  pair.right.run("timeout 15 iperf3 -s -1 >/dev/null 2>&1 & sleep 0.5");
  std::cout << pair.left.output("timeout 10 iperf3 -c 10.99.0.3 -t 5 -f g | grep receiver");
}

TEST("tap: two containers ping and send 64 MiB over TCP, in super-frames") {
  if (!test::have_root("tap: two containers ping and send 64 MiB over TCP, in super-frames")) return;
  Pair pair;
  if (!pair) return;
  Glue glue(*pair.a.ports[0], *pair.b.ports[0]);
  CHECK_EQ(pair.left.run("ping -c 3 -i 0.1 -W 2 -q 10.99.0.3 >/dev/null"), 0);
  CHECK_EQ(pair.left.run("ping -c 3 -i 0.1 -W 2 -q fd00:99::3 >/dev/null"), 0);
  CHECK(transfers(pair.left, pair.right, "10.99.0.3"));
  CHECK(transfers(pair.right, pair.left, "fd00:99::2"));
  show_throughput(pair);
  glue.stop();
  CHECK(glue.super_frames > 500);
  CHECK(glue.partial >= glue.super_frames);
  CHECK_EQ(glue.imbalance(), 0);
  CHECK_EQ(glue.missing, 0u);
  CHECK_EQ(glue.total(Counter::drop_offload), 0u);
}

TEST("tap: packets of a wire become super-frames again") {
  if (!test::have_root("tap: packets of a wire become super-frames again")) return;
  Pair pair;
  if (!pair) return;
  Glue glue(*pair.a.ports[0], *pair.b.ports[0], true);
  CHECK(transfers(pair.left, pair.right, "10.99.0.3"));
  CHECK(transfers(pair.right, pair.left, "fd00:99::2"));
  show_throughput(pair);
  glue.stop();
  CHECK(glue.total(Counter::segmented) > 50'000);
  CHECK(glue.total(Counter::coalesced) > glue.total(Counter::segmented) / 2);
  CHECK_EQ(glue.imbalance(), 0);
  CHECK_EQ(glue.missing, 0u);
}

TEST("tap: without offload there are ordinary, finished packets only") {
  if (!test::have_root("tap: without offload there are ordinary, finished packets only")) return;
  Pair pair(false);
  if (!pair) return;
  CHECK_EQ(pair.a.ports[0]->offloads(), 0);
  Glue glue(*pair.a.ports[0], *pair.b.ports[0]);
  CHECK(transfers(pair.left, pair.right, "10.99.0.3"));
  glue.stop();
  CHECK_EQ(glue.super_frames, 0u);
  CHECK_EQ(glue.partial, 0u);
  CHECK_EQ(glue.imbalance(), 0);
}

}  // namespace
}  // namespace overlane
