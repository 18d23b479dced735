#include "port/tap.h"

#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "offload/merge.h"
#include "port/virtio_offload.h"
#include "stage/parse.h"
#include "wire/ipv4.h"

namespace overlane {

namespace {

constexpr uint32_t kHeader = sizeof(VirtioHeader);
constexpr uint32_t kTcpChecksum = 16;  // offsets in the TCP and UDP header
constexpr uint32_t kUdpChecksum = 6;

// Where the checksum lies in the transport header; 0: parse found no whole TCP or UDP header.
uint32_t checksum_offset(const Headers& h) {
  if (h.status != ParseStatus::ok || h.payload == 0 || (h.flags & kFragment)) return 0;
  if (h.protocol == ip_protocol::kTcp) return kTcpChecksum;
  return h.protocol == ip_protocol::kUdp ? kUdpChecksum : 0;
}

bool is_gone(int error) {
  return error == EBADFD || error == ENODEV;
}

// The header for a frame as `packet` says. False: no TCP or UDP, or a super-frame that the kernel does not take.
bool describe(const Packet& packet, uint8_t offloads, VirtioHeader& header) {
  const bool uso = packet.segment != 0 && packet.headers.protocol == ip_protocol::kUdp;
  return (!uso || offloads & kTakesUso) && describe_offload(packet, header);
}

}  // namespace

TapPort::~TapPort() {
  if (persistent_ && discarded_) ioctl(fd_, TUNSETPERSIST, 0ul);
  close(fd_);
}

// Takes up what the kernel left to us. nullptr: dropped.
Packet* TapPort::accept(Packet* packet, uint32_t length, CounterRow& row) {
  const auto header = load<VirtioHeader>(packet->data - kHeader);
  packet->length = length;
  if (header.gso_type == virtio::kGsoNone && !(header.flags & virtio::kNeedsChecksum)) return packet;
  const Headers headers = parse_frame(packet->data, length);
  const uint32_t offset = checksum_offset(headers);
  const bool outermost = (header.flags & virtio::kNeedsChecksum) && offset != 0 &&
                         header.checksum_start == headers.l4 && header.checksum_offset == offset;
  bool fine = outermost;
  if (header.gso_type != virtio::kGsoNone) {
    fine = outermost && header.gso_size != 0 && gso_fits(header.gso_type, headers.ip_version, headers.protocol);
    packet->segment = header.gso_size;
  }
  if (OVERLANE_LIKELY(fine)) {
    packet->flags = kPartialChecksum;
    return packet;
  }
  const uint32_t start = header.checksum_start;
  if (header.gso_type == virtio::kGsoNone &&
      finish_checksum(packet->data, length, start, start + header.checksum_offset)) {
    return packet;
  }
  row.add(Counter::rx_packets);
  row.add(Counter::rx_bytes, length);
  row.add(Counter::drop_offload);
  release(packet);
  return nullptr;
}

uint32_t TapPort::receive(Packet** packets, uint32_t max, Nanos now, Nanos, Pools& pools, CounterRow& row) {
  if (!listens()) return 0;
  uint32_t count = 0;
  for (uint32_t turns = 0; turns < max; ++turns) {
    Packet* packet = pools.take(Pools::kLargeRoom);
    if (OVERLANE_UNLIKELY(packet == nullptr)) {
      row.add(Counter::rx_pool_empty);
      break;
    }
    const ssize_t n = read(fd_, packet->data - kHeader, kHeader + Pools::kLargeRoom);
    if (n < static_cast<ssize_t>(kHeader)) {
      release(packet);
      if (n < 0 && errno != EAGAIN && errno != EINTR) stop(errno, "read", now);
      break;
    }
    packet = accept(packet, static_cast<uint32_t>(n) - kHeader, row);
    if (OVERLANE_UNLIKELY(packet == nullptr)) continue;
    packet->time = now;
    packets[count++] = packet;
  }
  return count;
}

// What a failed write counts as.
Counter TapPort::cause(int error, const VirtioHeader& header, Nanos now) {
  switch (error) {
    case EIO:  // the interface is down
      return Counter::drop_link_down;
    case EBADFD:  // it was deleted
      stop(error, "write to", now);
      return Counter::drop_link_down;
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return Counter::drop_port_full;
    case EINVAL:
      if (header.flags != 0) return Counter::drop_offload;
      break;
    default:
      break;
  }
  fail(error, "write to");
  return Counter::drop_port_error;
}

void TapPort::send_one(Packet* packet, CounterRow& row) {
  VirtioHeader header;
  if (OVERLANE_UNLIKELY(!describe(*packet, offloads_, header))) return lose(packet, Counter::drop_offload, row);
  ssize_t written;
  if (OVERLANE_LIKELY(packet->headroom() >= kHeader)) {
    store(packet->data - kHeader, header);
    written = write(fd_, packet->data - kHeader, kHeader + packet->length);
  } else {
    const iovec parts[] = {{&header, kHeader}, {packet->data, packet->length}};
    written = writev(fd_, parts, 2);
  }
  if (OVERLANE_UNLIKELY(written < 0)) return lose(packet, cause(errno, header, packet->time), row);
  release(packet);
}

// Sends as many of the first packets as make one super-frame, and says how many; 0: not even two.
uint32_t TapPort::send_merged(Packet** packets, uint32_t count, CounterRow& row) {
  Packet* first = packets[0];
  Merger merger;
  if (first->headers.protocol == ip_protocol::kUdp && !(offloads_ & kTakesUso)) return 0;
  if (!first->is_ordinary() || !merger.begin(first->data, first->length, first->headers)) return 0;
  uint64_t bytes = first->length;
  uint32_t taken = 1;
  for (; taken < count; ++taken) {
    const Packet& next = *packets[taken];
    if (!packets[taken]->is_ordinary() || !merger.add(next.data, next.length, next.headers)) break;
    bytes += next.length;
  }
  if (taken == 1) return 0;
  VirtioHeader header;
  iovec parts[kMaxBurst + 1];
  merger.finish(first->data);
  first->segment = merger.segment();
  describe(*first, offloads_, header);
  parts[0] = {&header, kHeader};
  parts[1] = {first->data, first->headers.end};
  for (uint32_t i = 1; i < taken; ++i) {
    const Headers& h = packets[i]->headers;
    parts[i + 1] = {packets[i]->data + h.payload, h.end - h.payload};
  }
  const bool sent = writev(fd_, parts, static_cast<int>(taken + 1)) >= 0;
  if (OVERLANE_LIKELY(sent)) {
    sent_with(taken - 1, bytes - merger.header() - merger.payload(), row);
    for (uint32_t i = 0; i < taken; ++i) release(packets[i]);
    return taken;
  }
  const Counter reason = cause(errno, header, first->time);
  for (uint32_t i = 0; i < taken; ++i) lose(packets[i], reason, row);
  return taken;
}

uint32_t TapPort::transmit(Packet** packets, uint32_t count, CounterRow& row) {
  for (uint32_t i = 0; i < count;) {
    if (OVERLANE_UNLIKELY(down_ || failed_)) {
      lose(packets[i++], Counter::drop_link_down, row);
      continue;
    }
    if (i + 1 < count && (offloads_ & kTakesTso)) {
      if (const uint32_t taken = send_merged(packets + i, count - i, row); taken != 0) {
        i += taken;
        continue;
      }
    }
    send_one(packets[i++], row);
  }
  return count;
}

std::vector<Port::Descriptor> TapPort::descriptors() const {
  if (!listens()) return {};
  return {{fd_, true}};
}

// Only an error condition leads here: the interface was deleted.
void TapPort::attend(int, Nanos now) {
  if (!failed_) stop(EBADFD, "use", now);
}

void TapPort::link_changed(const LinkInfo& link) {
  down_ = link.state != LinkState::up;
  if (link.state == LinkState::gone && !failed_) stop(ENODEV, "use", 0);
}

void TapPort::fail(int error, const char* doing) {
  if (!error_.empty()) return;
  const bool gone = is_gone(error);
  error_code_ = gone ? "ERR_OVERLANE_MISSING" : "ERR_OVERLANE_SYSTEM";
  error_ = gone ? "the TAP was deleted: remove this port and add it again"
                : std::string("cannot ") + doing + " the TAP: " + std::strerror(error);
}

// For good: an interface of the same name made anew is not ours.
void TapPort::stop(int error, const char* doing, Nanos now) {
  failed_ = true;
  fail(error, doing);
  if (tells_ || !is_gone(error)) tell_failure(now);
}

}  // namespace overlane
