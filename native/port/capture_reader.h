// Reads capture files: pcap and pcapng, either byte order, any time resolution. Memory stays bounded whatever the file
// claims, and nothing seeks, so pipes work like files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "port/capture_format.h"
#include "port/capture_source.h"
#include "port/capture_status.h"

namespace overlane {

struct CaptureFrame {
  const uint8_t* data;
  uint32_t length;  // bytes at data, at most CaptureReader::kMaxFrame
  uint32_t
      wire_length;     // on the wire; at least `length` (a file that says less is corrected: draft-ietf-opsawg-pcap, 5)
  int64_t time_ns;     // since the epoch, clamped to what 64 bits hold; 0 where the file gives none
  uint32_t link_type;  // 1 is Ethernet; may differ from frame to frame in a pcapng file
};

class CaptureReader {
 public:
  static constexpr uint32_t kMaxFrame = 262144;                  // libpcap's MAXIMUM_SNAPLEN
  static constexpr uint32_t kMaxBlock = CaptureSource::kWindow;  // of the pcapng blocks that are not just passed over
  static constexpr size_t kMaxInterfaces = 65536;                // in one section

  // "-" is standard input. Reads ahead to the first frame, so that link_type() is known; what breaks there is reported
  // by the first next(). False: error() says why.
  bool open(const char* path);
  // `data` stays the caller's and must outlive the reading.
  bool open_memory(const uint8_t* data, size_t size);
  // False at the end: error() is then empty, or says what broke and where. frame.data is valid until the next call.
  bool next(CaptureFrame& frame);
  const char* error() const { return peeked_ ? "" : status_.text(); }
  CaptureError error_code() const { return peeked_ ? kCaptureOk : status_.code(); }
  // Of the first frame; of the first interface when there is no frame; kLinkTypeUnknown when there is neither.
  uint32_t link_type() const { return link_type_; }
  void close();

 private:
  enum class Format { kNone, kPcap, kPcapng };
  struct Interface {
    uint32_t link_type;
    uint32_t snaplen;  // 0: no limit
    uint8_t time_resolution;
    int64_t time_offset;
  };
  struct Block {
    uint32_t type;
    uint32_t length;  // of all of it
  };

  bool start();
  bool open_pcap(uint32_t magic);
  bool read_frame(CaptureFrame& frame);
  bool next_record(CaptureFrame& frame);
  bool next_block(CaptureFrame& frame);
  bool read_block_header(Block& block);
  bool read_section(const Block& block);
  bool read_interface(const Block& block);
  bool read_options(const uint8_t* option, const uint8_t* end, Interface& interface);
  bool read_packet(const Block& block, CaptureFrame& frame);
  bool read_simple_packet(const Block& block, CaptureFrame& frame);
  bool deliver(CaptureFrame& frame, const uint8_t* data, uint32_t length, uint32_t wire_length);
  bool need_block(const Block& block, uint32_t least_body);
  bool skip_block(const Block& block, uint32_t consumed);
  bool check_trailer(const Block& block, uint32_t trailer);
  const Interface* interface_at(uint32_t index);
  bool not_a_capture();
  bool short_input(const char* what);
  bool corrupt(const char* format, ...) __attribute__((format(printf, 2, 3)));

  uint16_t get16(const uint8_t* from) const;
  uint32_t get32(const uint8_t* from) const;
  uint64_t get64(const uint8_t* from) const;

  CaptureSource source_;
  CaptureStatus status_;
  std::string name_;
  Format format_ = Format::kNone;
  bool swapped_ = false;
  bool peeked_ = false;  // peek_ waits for next()
  bool peek_good_ = false;
  CaptureFrame peek_{};
  uint64_t packets_ = 0;      // delivered
  uint64_t item_offset_ = 0;  // where the record or block being read starts
  uint32_t link_type_ = kLinkTypeUnknown;
  // pcap
  uint32_t record_header_ = 0;
  uint32_t fraction_ns_ = 0;
  uint32_t minor_version_ = 0;
  // pcapng, of the current section
  std::vector<Interface> interfaces_;
};

// Time of a pcapng packet in nanoseconds: `units` in the resolution of an if_tsresol option, plus whole seconds.
// Finer units are cut off, results beyond 64 bits are clamped.
int64_t pcapng_nanos(uint64_t units, uint8_t resolution, int64_t offset_seconds);

}  // namespace overlane
