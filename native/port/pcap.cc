#include "port/pcap.h"

#include <algorithm>
#include <cstring>

namespace overlane {

bool PcapPort::fail(const std::string& why, CaptureError code) {
  if (!error_.empty()) return false;
  error_ = why;
  error_code_ = code;
  return false;
}

bool PcapPort::open(const std::string& read, const std::string& write) {
  read_path_ = read;
  if (!read.empty()) {
    reader_ = std::make_unique<CaptureReader>();
    if (!reader_->open(read.c_str())) return fail(reader_->error(), reader_->error_code());
    const uint32_t type = reader_->link_type();
    if (!advance() && !error_.empty()) return false;
    if (!pending_ && type != kEthernet && type != kLinkTypeUnknown) return fail_link_type(type);
  }
  if (!write.empty()) {
    writer_ = std::make_unique<CaptureWriter>();
    if (!writer_->open(write.c_str())) return fail(writer_->error(), writer_->error_code());
  }
  return true;
}

bool PcapPort::fail_link_type(uint32_t type) {
  return fail(read_path_ + ": not an Ethernet capture (link type " + std::to_string(type) +
                  "); capture on one Ethernet interface instead of 'any'",
              kCaptureNotACapture);
}

// Looks at the next frame; false at the end, or where the file breaks.
bool PcapPort::advance() {
  pending_ = reader_->next(frame_);
  if (!pending_) {
    if (reader_->error_code() != kCaptureOk) fail(reader_->error(), reader_->error_code());
    return false;
  }
  if (frame_.link_type != kEthernet) {
    pending_ = false;
    return fail_link_type(frame_.link_type);
  }
  return true;
}

uint32_t PcapPort::receive(Packet** packets, uint32_t max, Nanos, Nanos until, Pools& pools, CounterRow& row) {
  uint32_t count = 0;
  // A burst has one clock: it spans a tick of it at most.
  if (pending_) until = std::min(until, frame_.time_ns > kNever - kTickNanos ? kNever : frame_.time_ns + kTickNanos);
  while (count < max && pending_ && frame_.time_ns <= until) {
    if (frame_.length > Pools::kLargeRoom) {
      refuse_oversize(frame_.length, row);
    } else {
      Packet* packet = pools.take(frame_.length);
      if (packet == nullptr) {
        row.add(Counter::rx_pool_empty);
        break;
      }
      std::memcpy(packet->data, frame_.data, frame_.length);
      packet->length = frame_.length;
      packet->cut = frame_.wire_length - frame_.length;
      packet->time = frame_.time_ns;
      packets[count++] = packet;
    }
    advance();
  }
  return count;
}

uint32_t PcapPort::transmit(Packet** packets, uint32_t count, CounterRow&) {
  if (!writer_) return 0;
  for (uint32_t i = 0; i < count; ++i) {
    const Packet& packet = *packets[i];
    if (!writer_->write(packet.data, packet.length, packet.length + packet.cut, packet.time)) {
      fail(writer_->error(), writer_->error_code());
      return i;
    }
    release(packets[i]);
  }
  return count;
}

void PcapPort::flush() {
  if (writer_ && !writer_->flush()) fail(writer_->error(), writer_->error_code());
}

}  // namespace overlane
