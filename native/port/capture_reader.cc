#include "port/capture_reader.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/bytes.h"

namespace overlane {

static_assert(CaptureReader::kMaxFrame + 4096 <= CaptureSource::kWindow);

uint16_t CaptureReader::get16(const uint8_t* from) const {
  const uint16_t value = load<uint16_t>(from);
  return swapped_ ? swap16(value) : value;
}

uint32_t CaptureReader::get32(const uint8_t* from) const {
  const uint32_t value = load<uint32_t>(from);
  return swapped_ ? swap32(value) : value;
}

uint64_t CaptureReader::get64(const uint8_t* from) const {
  const uint64_t value = load<uint64_t>(from);
  return swapped_ ? __builtin_bswap64(value) : value;
}

bool CaptureReader::open(const char* path) {
  close();
  name_ = std::strcmp(path, "-") == 0 ? "standard input" : path;
  const int error_number = source_.open(path);
  if (error_number != 0) return status_.fail_open(name_.c_str(), error_number, false);
  return start();
}

bool CaptureReader::open_memory(const uint8_t* data, size_t size) {
  close();
  name_ = "memory";
  source_.open_memory(data, size);
  return start();
}

void CaptureReader::close() {
  source_.close();
  status_.clear();
  format_ = Format::kNone;
  swapped_ = peeked_ = peek_good_ = false;
  packets_ = item_offset_ = 0;
  link_type_ = kLinkTypeUnknown;
  interfaces_.clear();
}

bool CaptureReader::start() {
  if (!source_.need(4)) return not_a_capture();
  const uint32_t magic = load<uint32_t>(source_.data());
  if (magic == pcapng::kSection) {
    Block block;
    if (!read_block_header(block) || !read_section(block)) return false;
    format_ = Format::kPcapng;
  } else if (!open_pcap(magic)) {
    return false;
  }
  peek_good_ = read_frame(peek_);
  peeked_ = true;
  if (peek_good_) {
    link_type_ = peek_.link_type;
  } else if (!interfaces_.empty()) {
    link_type_ = interfaces_.front().link_type;
  }
  return true;
}

bool CaptureReader::next(CaptureFrame& frame) {
  if (peeked_) {
    peeked_ = false;
    frame = peek_;
    return peek_good_;
  }
  return read_frame(frame);
}

bool CaptureReader::read_frame(CaptureFrame& frame) {
  if (!status_.ok()) return false;
  switch (format_) {
    case Format::kPcap:
      return next_record(frame);
    case Format::kPcapng:
      return next_block(frame);
    default:
      return false;
  }
}

bool CaptureReader::open_pcap(uint32_t magic) {
  const auto known = [](uint32_t value) {
    return value == pcap::kMagicMicros || value == pcap::kMagicNanos || value == pcap::kMagicModified;
  };
  swapped_ = known(swap32(magic));
  if (swapped_) magic = swap32(magic);
  if (!known(magic)) return not_a_capture();
  if (!source_.need(pcap::kFileHeader)) return short_input("its header");

  const uint8_t* header = source_.data();
  const unsigned major = get16(header + 4);
  const unsigned minor = get16(header + 6);
  const uint32_t link_type = get32(header + 20);
  if (major != 2 || minor > 4) {
    return status_.fail(kCaptureUnsupported, "%.400s is a pcap file of version %u.%u; 2.0 to 2.4 can be read",
                        name_.c_str(), major, minor);
  }
  if (link_type & pcap::kReservedMask) {
    return status_.fail(kCaptureUnsupported, "%.400s has reserved bits set in its link type (0x%08x)", name_.c_str(),
                        link_type);
  }
  source_.consume(pcap::kFileHeader);
  minor_version_ = minor;
  fraction_ns_ = magic == pcap::kMagicNanos ? 1 : 1000;
  record_header_ = magic == pcap::kMagicModified ? pcap::kModifiedRecordHeader : pcap::kRecordHeader;
  link_type_ = link_type & pcap::kLinkTypeMask;
  format_ = Format::kPcap;
  return true;
}

bool CaptureReader::next_record(CaptureFrame& frame) {
  item_offset_ = source_.offset();
  if (!source_.need(record_header_)) {
    if (source_.available() == 0 && source_.error_number() == 0) return false;
    return short_input("a packet record");
  }
  const uint8_t* header = source_.data();
  uint32_t length = get32(header + 8);
  uint32_t wire_length = get32(header + 12);
  // Before version 2.3 the two came in the other order; some writers of 2.3 had not changed yet.
  if (minor_version_ < 3 || (minor_version_ == 3 && length > wire_length)) std::swap(length, wire_length);
  if (length > kMaxFrame) return corrupt("a packet of %u bytes, more than the limit of %u", length, kMaxFrame);
  if (!source_.need(record_header_ + length)) return short_input("a packet record");

  header = source_.data();  // need() may have moved it
  // Seconds are unsigned (until 2106); a fraction of a second or more carries over.
  frame.time_ns = int64_t{get32(header)} * 1'000'000'000 + int64_t{get32(header + 4)} * fraction_ns_;
  frame.link_type = link_type_;
  source_.consume(record_header_ + length);
  return deliver(frame, header + record_header_, length, wire_length);
}

bool CaptureReader::deliver(CaptureFrame& frame, const uint8_t* data, uint32_t length, uint32_t wire_length) {
  frame.data = data;
  frame.length = length;
  frame.wire_length = wire_length < length ? length : wire_length;
  packets_++;
  return true;
}

bool CaptureReader::not_a_capture() {
  if (source_.error_number() != 0) return short_input("its header");
  const uint8_t* bytes = source_.data();
  const size_t count = source_.available() < 4 ? source_.available() : 4;
  if (count == 0) return status_.fail(kCaptureNotACapture, "%.400s is empty, not a capture", name_.c_str());
  char hex[16] = "";
  for (size_t i = 0; i < count; i++) std::snprintf(hex + 3 * i, 4, i + 1 < count ? "%02x " : "%02x", bytes[i]);
  const char* advice = "";
  if (count >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) advice = "; it is compressed, unpack it with gunzip first";
  if (count == 4 && load_be32(bytes) == 0x28b52ffd) advice = "; it is compressed, unpack it with unzstd first";
  if (count == 4 && load_be32(bytes) == 0x04224d18) advice = "; it is compressed, unpack it with unlz4 first";
  return status_.fail(kCaptureNotACapture,
                      "%.400s is not a capture: it starts with %s, not with the magic number of pcap or pcapng%s",
                      name_.c_str(), hex, advice);
}

bool CaptureReader::short_input(const char* what) {
  const unsigned long long end = source_.offset() + source_.available();
  if (source_.error_number() != 0) {
    return status_.fail(kCaptureSystem, "cannot read %.400s at byte %llu: %s", name_.c_str(), end,
                        std::strerror(source_.error_number()));
  }
  return status_.fail(kCaptureTruncated,
                      "%.400s is cut off at byte %llu, inside %s (from byte %llu, after %llu packets)", name_.c_str(),
                      end, what, static_cast<unsigned long long>(item_offset_),
                      static_cast<unsigned long long>(packets_));
}

bool CaptureReader::corrupt(const char* format, ...) {
  char why[160];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(why, sizeof why, format, arguments);
  va_end(arguments);
  return status_.fail(kCaptureCorrupt, "%.400s is corrupt at byte %llu, after %llu packets: %s", name_.c_str(),
                      static_cast<unsigned long long>(item_offset_), static_cast<unsigned long long>(packets_), why);
}

}  // namespace overlane
