// The sink of udp_load: it knows every packet, and tells what is lost from what is late, doubled or damaged.
#include <poll.h>
#include <sys/socket.h>

#include <vector>

#include "udp_load.h"

namespace overlane {
namespace {

constexpr int kReceiveBuffer = 64 << 20;
constexpr uint64_t kReorderWindow = 1 << 16;  // packets of a flow within which a duplicate is told from a late one

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

void receive_load(const Options& options) {
  Receiver(options).run();
}

}  // namespace overlane
