// udp_load: a UDP packet generator and its sink, for `overlane bench --live`. One program, because both know the
// payload:
//   udp_load send IP PORT [--size B] [--rate PPS|max] [--seconds S] [--flows N] [--gso]
//   udp_load receive PORT [--size B] [--wait-ms MS] [--idle-ms MS]
// Both print one JSON object. The sink prints "ready" first; it ends when nothing came for --idle-ms after the first
// packet, or when no packet came at all for --wait-ms. Exit status: 0 fine, 1 failed, 2 wrong usage.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace overlane {
namespace {

#ifndef UDP_SEGMENT
constexpr int UDP_SEGMENT = 103;  // linux/udp.h, since 4.18
#endif

constexpr size_t kBatch = 64;  // also the most segments of one UDP_SEGMENT send (UDP_MAX_SEGMENTS before Linux 6.9)
constexpr size_t kOverhead = 14 + 20 + 8 + 4;  // Ethernet, IPv4, UDP, FCS: what --size counts beside the payload
constexpr size_t kMinPayload = 18;             // a 64-byte frame
constexpr size_t kMaxPayload = 1472;
constexpr size_t kMaxFlows = 256;
constexpr int kReceiveBuffer = 64 << 20;
constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kTick = 100'000;           // ns between two paced batches: short queues, yet few wake-ups
constexpr uint64_t kForgiven = 10'000'000;    // ns of delay (descheduled) that are not made up for by a burst
constexpr uint64_t kReorderWindow = 1 << 16;  // packets of a flow within which a duplicate is told from a late one

// Payload: sequence number of the flow, flow, then bytes that follow from both. Host order: both ends are one machine.
struct Head {
  uint64_t sequence;
  uint16_t flow;
} __attribute__((packed));
static_assert(sizeof(Head) == 10 && sizeof(Head) <= kMinPayload);

// SplitMix64's finalizer: every bit of the header changes about half of the pattern.
uint64_t pattern_of(const Head& head) {
  uint64_t x = head.sequence + (uint64_t{head.flow} << 48) + 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

void fill(uint8_t* at, size_t size, Head head) {
  memcpy(at, &head, sizeof head);
  const uint64_t pattern = pattern_of(head);
  for (size_t i = sizeof head; i < size; i += sizeof pattern)
    memcpy(at + i, &pattern, std::min(sizeof pattern, size - i));
}

bool intact(const uint8_t* at, size_t size, const Head& head) {
  const uint64_t pattern = pattern_of(head);
  for (size_t i = sizeof head; i < size; i += sizeof pattern) {
    if (memcmp(at + i, &pattern, std::min(sizeof pattern, size - i)) != 0) return false;
  }
  return true;
}

uint64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return uint64_t(t.tv_sec) * kSecond + uint64_t(t.tv_nsec);
}

void sleep_until(uint64_t ns) {
  const timespec t{time_t(ns / kSecond), long(ns % kSecond)};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr);
}

[[noreturn]] void fail(const char* what) {
  fprintf(stderr, "udp_load: %s: %s\n", what, strerror(errno));
  exit(1);
}

[[noreturn]] void misused(std::string_view what) {
  fprintf(stderr, "udp_load: %.*s\n", int(what.size()), what.data());
  fprintf(stderr,
          "usage: udp_load send IP PORT [--size B] [--rate PPS|max] [--seconds S] [--flows N] [--gso]\n"
          "       udp_load receive PORT [--size B] [--wait-ms MS] [--idle-ms MS]\n");
  exit(2);
}

struct Options {
  in_addr to{};
  uint16_t port = 0;
  size_t payload = kMinPayload;
  double rate = 0;  // packets a second; 0: as fast as it goes
  double seconds = 1;
  size_t flows = 1;
  bool gso = false;
  int wait_ms = 5000;
  int idle_ms = 200;
};

double number(std::string_view name, std::string_view text, double low, double high) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size() && value >= low && value <= high) return value;
  fprintf(stderr, "udp_load: %.*s takes a number from %g to %g\n", int(name.size()), name.data(), low, high);
  exit(2);
}

Options parse(int count, char** words, bool sends) {
  Options o;
  int at = 0;
  if (sends && (at >= count || inet_pton(AF_INET, words[at++], &o.to) != 1)) misused("send needs an IPv4 address");
  if (at >= count) misused("which port?");
  o.port = uint16_t(number("PORT", words[at++], 1, 65535));
  while (at < count) {
    const std::string_view name = words[at++];
    if (sends && name == "--gso") {
      o.gso = true;
      continue;
    }
    if (at >= count) misused("an option lacks its value, or is unknown");
    const std::string_view value = words[at++];
    if (name == "--size")
      o.payload = size_t(number(name, value, kMinPayload + kOverhead, kMaxPayload + kOverhead)) - kOverhead;
    else if (sends && name == "--rate")
      o.rate = value == "max" ? 0 : number(name, value, 1, 1e9);
    else if (sends && name == "--seconds")
      o.seconds = number(name, value, 0.001, 3600);
    else if (sends && name == "--flows")
      o.flows = size_t(number(name, value, 1, kMaxFlows));
    else if (!sends && name == "--wait-ms")
      o.wait_ms = int(number(name, value, 1, 60000));
    else if (!sends && name == "--idle-ms")
      o.idle_ms = int(number(name, value, 1, 60000));
    else
      misused("unknown option");
  }
  return o;
}

// One connected socket a flow, so that every flow has a source port of its own.
std::vector<int> connect_flows(const Options& o) {
  std::vector<int> sockets;
  for (size_t i = 0; i < o.flows; i++) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    const sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(o.port), .sin_addr = o.to, .sin_zero = {}};
    if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fail("connect");
    const int segment = int(o.payload);
    if (o.gso && setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment) != 0) fail("UDP_SEGMENT");
    sockets.push_back(fd);
  }
  return sockets;
}

class Sender {
 public:
  explicit Sender(const Options& o)
      : o_(o),
        sockets_(connect_flows(o)),
        next_(o.flows),
        data_(kBatch * o.payload),
        parts_(kBatch),
        messages_(kBatch) {
    for (size_t i = 0; i < kBatch; i++) {
      parts_[i] = {data_.data() + i * o.payload, o.payload};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  void run() {
    const uint64_t start = now_ns();
    const uint64_t end = start + uint64_t(o_.seconds * double(kSecond));
    uint64_t now = start, origin = start, paced = 0;  // `paced` packets were due since `origin`
    while (now < end) {
      size_t due = kBatch;
      if (o_.rate > 0) {
        const uint64_t allowed = uint64_t(double(now - origin) * o_.rate / double(kSecond)) + 1;
        if (allowed <= paced) {
          const uint64_t next = origin + uint64_t(double(paced) * double(kSecond) / o_.rate) + 1;
          sleep_until(std::min(end, std::max(next, now + kTick)));
          now = now_ns();
          continue;
        }
        if (double(allowed - paced) > o_.rate * double(kForgiven) / double(kSecond) + double(kBatch)) {
          origin = now;
          paced = 0;
          continue;
        }
        due = std::min<uint64_t>(kBatch, allowed - paced);
      }
      paced += due;
      send_batch(due);
      now = now_ns();
    }
    const double seconds = double(now - start) / double(kSecond);
    printf("{\"sent\":%llu,\"refused\":%llu,\"seconds\":%.6f,\"pps\":%.0f,\"flows\":%zu,\"payload\":%zu}\n",
           static_cast<unsigned long long>(sent_), static_cast<unsigned long long>(refused_), seconds,
           double(sent_) / seconds, o_.flows, o_.payload);
  }

 private:
  // What the kernel refuses was never sent: its numbers are used again, and only counted here.
  void send_batch(size_t count) {
    const size_t flow = turn_++ % o_.flows;
    for (size_t i = 0; i < count; i++)
      fill(data_.data() + i * o_.payload, o_.payload, {next_[flow] + i, uint16_t(flow)});
    const size_t done = o_.gso ? send_super(sockets_[flow], count) : send_each(sockets_[flow], count);
    next_[flow] += done;
    sent_ += done;
    refused_ += count - done;
  }

  size_t send_each(int fd, size_t count) {
    size_t done = 0;
    while (done < count) {
      const int n = sendmmsg(fd, messages_.data() + done, unsigned(count - done), 0);
      if (n <= 0) {
        tolerate();
        break;
      }
      done += size_t(n);
    }
    return done;
  }

  size_t send_super(int fd, size_t count) {
    // A datagram with its headers stays below 64 KiB.
    const size_t most = std::min(kBatch, size_t{65000} / o_.payload);
    size_t done = 0;
    while (done < count) {
      const size_t n = std::min(most, count - done);
      if (send(fd, data_.data() + done * o_.payload, n * o_.payload, 0) < 0) {
        tolerate();
        break;
      }
      done += n;
    }
    return done;
  }

  // Full queues, and a sink that is gone already (ICMP port unreachable), are part of overload.
  static void tolerate() {
    if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED) fail("send");
  }

  const Options& o_;
  std::vector<int> sockets_;
  std::vector<uint64_t> next_;
  std::vector<uint8_t> data_;
  std::vector<iovec> parts_;
  std::vector<mmsghdr> messages_;
  uint64_t turn_ = 0, sent_ = 0, refused_ = 0;
};

struct Tally {
  uint64_t received = 0;    // right packets, each once
  uint64_t reordered = 0;   // of these: came after one with a higher number
  uint64_t duplicates = 0;  // not in `received`
  uint64_t bad = 0;         // wrong size, flow or pattern; not in `received`
  uint64_t gaps = 0;        // numbers passed over, less those that came late
};

// Which numbers of one flow have come.
class Flow {
 public:
  void take(uint64_t sequence, Tally& tally) {
    if (sequence >= next_) {
      const uint64_t passed = sequence - next_;
      tally.gaps += passed;
      if (passed >= kReorderWindow)
        std::fill(seen_.begin(), seen_.end(), false);
      else
        for (uint64_t i = next_; i < sequence; i++) seen_[i % kReorderWindow] = false;
      next_ = sequence + 1;
    } else if (next_ - sequence > kReorderWindow || seen_[sequence % kReorderWindow]) {
      tally.duplicates++;
      return;
    } else {
      tally.reordered++;
      tally.gaps--;
    }
    seen_[sequence % kReorderWindow] = true;
    tally.received++;
  }

 private:
  uint64_t next_ = 0;
  std::vector<bool> seen_ = std::vector<bool>(kReorderWindow);
};

class Receiver {
 public:
  explicit Receiver(const Options& o)
      : o_(o), fd_(bind_socket(o.port)), flows_(kMaxFlows), data_(kBatch * kRoom), parts_(kBatch), messages_(kBatch) {
    for (size_t i = 0; i < kBatch; i++) {
      parts_[i] = {data_.data() + i * kRoom, kRoom};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  void run() {
    puts("ready");
    fflush(stdout);
    uint64_t first = 0, last = 0;
    for (;;) {
      const int n = recvmmsg(fd_, messages_.data(), kBatch, MSG_DONTWAIT, nullptr);
      if (n < 0 && errno != EAGAIN && errno != EINTR) fail("recvmmsg");
      if (n <= 0) {
        pollfd wait{fd_, POLLIN, 0};
        const int ready = poll(&wait, 1, first == 0 ? o_.wait_ms : o_.idle_ms);
        if (ready == 0) break;
        continue;
      }
      last = now_ns();
      if (first == 0) first = last;
      for (int i = 0; i < n; i++) take(messages_[i]);
    }
    const double seconds = double(last - first) / double(kSecond);
    const auto count = [](uint64_t n) { return static_cast<unsigned long long>(n); };
    printf(
        "{\"received\":%llu,\"gaps\":%llu,\"reordered\":%llu,\"duplicates\":%llu,\"bad\":%llu,\"seconds\":%.6f,\"pps\":"
        "%.0f}\n",
        count(tally_.received), count(tally_.gaps), count(tally_.reordered), count(tally_.duplicates),
        count(tally_.bad), seconds, seconds > 0 ? double(tally_.received) / seconds : 0);
  }

 private:
  static constexpr size_t kRoom = 2048;

  static int bind_socket(uint16_t port) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    // Without CAP_NET_ADMIN the limit of net.core.rmem_max holds.
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) != 0)
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
    const sockaddr_in any{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {INADDR_ANY}, .sin_zero = {}};
    if (bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) fail("bind");
    return fd;
  }

  void take(const mmsghdr& message) {
    const auto* at = static_cast<const uint8_t*>(message.msg_hdr.msg_iov->iov_base);
    Head head;
    memcpy(&head, at, sizeof head);
    if (message.msg_len != o_.payload || head.flow >= kMaxFlows || !intact(at, o_.payload, head)) {
      tally_.bad++;
      return;
    }
    flows_[head.flow].take(head.sequence, tally_);
  }

  const Options& o_;
  int fd_;
  std::vector<Flow> flows_;
  std::vector<uint8_t> data_;
  std::vector<iovec> parts_;
  std::vector<mmsghdr> messages_;
  Tally tally_;
};

}  // namespace
}  // namespace overlane

int main(int argc, char** argv) {
  using namespace overlane;
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (verb != "send" && verb != "receive") misused("the first word is send or receive");
  const Options options = parse(argc - 2, argv + 2, verb == "send");
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  if (verb == "send")
    Sender(options).run();
  else
    Receiver(options).run();
  return 0;
}
