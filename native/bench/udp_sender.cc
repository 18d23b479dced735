// The generator of udp_load: as fast as it goes, or paced.
#include <netinet/udp.h>
#include <sys/socket.h>

#include <vector>

#include "udp_load.h"

namespace overlane {
namespace {

#ifndef UDP_SEGMENT
constexpr int UDP_SEGMENT = 103;  // linux/udp.h, since 4.18
#endif

constexpr uint64_t kTick = 100'000;         // ns between two paced batches: short queues, yet few wake-ups
constexpr uint64_t kForgiven = 10'000'000;  // ns of delay (descheduled) that are not made up for by a burst

void sleep_until(uint64_t ns) {
  const timespec t{time_t(ns / kSecond), long(ns % kSecond)};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr);
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

}  // namespace

void send_load(const Options& options) {
  Sender(options).run();
}

}  // namespace overlane
