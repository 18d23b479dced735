// pcap port: receives the frames of a capture file at their own times and writes what is transmitted to another.
#pragma once

#include <memory>

#include "port/capture_reader.h"
#include "port/capture_writer.h"
#include "port/port.h"

namespace overlane {

class PcapPort final : public Port {
 public:
  // Empty path: that direction is absent. False: error() says why.
  bool open(const std::string& read, const std::string& write);

  Nanos next_due() override { return pending_ ? frame_.time_ns : kNever; }
  uint32_t receive(Packet** packets, uint32_t max, Nanos now, Nanos until, Pools& pools, CounterRow& row) override;
  uint32_t transmit(Packet** packets, uint32_t count, CounterRow& row) override;
  Counter refusal() const override { return writer_ ? Counter::drop_port_error : Counter::drop_receive_only; }
  void flush() override;
  std::string error() const override { return error_; }
  const char* error_name() const override { return capture_error_name(error_code_); }

 private:
  static constexpr uint32_t kEthernet = 1;
  bool advance();
  bool fail(const std::string& why, CaptureError code);
  bool fail_link_type(uint32_t type);

  std::string read_path_;
  std::unique_ptr<CaptureReader> reader_;
  std::unique_ptr<CaptureWriter> writer_;
  CaptureFrame frame_{};
  bool pending_ = false;
  std::string error_;
  CaptureError error_code_ = kCaptureOk;
};

}  // namespace overlane
