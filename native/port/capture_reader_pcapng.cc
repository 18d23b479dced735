// The pcapng half of the capture reader: blocks, sections, interfaces, options.
#include <algorithm>
#include <limits>

#include "core/bytes.h"
#include "port/capture_reader.h"

namespace overlane {

using namespace pcapng;

namespace {

__extension__ typedef unsigned __int128 Wide;
__extension__ typedef __int128 SignedWide;

constexpr uint64_t kNanosPerSecond = 1'000'000'000;

uint64_t power_of_ten(unsigned exponent) {
  uint64_t value = 1;
  while (exponent-- > 0) value *= 10;
  return value;
}

// `length` rounded up to a multiple of 4, without wrapping.
uint64_t padded(uint32_t length) {
  return (uint64_t{length} + 3) & ~uint64_t{3};
}

}  // namespace

int64_t pcapng_nanos(uint64_t units, uint8_t resolution, int64_t offset_seconds) {
  const unsigned exponent = resolution & 0x7f;
  Wide nanos;  // below 2^94 in every case
  if (resolution & 0x80) {
    nanos = Wide{units} * kNanosPerSecond >> exponent;
  } else if (exponent <= 9) {
    nanos = Wide{units} * power_of_ten(9 - exponent);
  } else {
    nanos = exponent - 9 > 19 ? 0 : units / power_of_ten(exponent - 9);  // 10^19 is the last that fits
  }
  const SignedWide total = static_cast<SignedWide>(nanos) + SignedWide{offset_seconds} * kNanosPerSecond;
  using Limits = std::numeric_limits<int64_t>;
  return static_cast<int64_t>(std::clamp<SignedWide>(total, Limits::min(), Limits::max()));
}

bool CaptureReader::next_block(CaptureFrame& frame) {
  for (;;) {
    if (!source_.need(1) && source_.error_number() == 0) return false;
    Block block;
    if (!read_block_header(block)) return false;
    switch (block.type) {
      case kSection:
        if (!read_section(block)) return false;
        break;
      case kInterface:
        if (!read_interface(block)) return false;
        break;
      case kEnhancedPacket:
      case kObsoletePacket:
        return read_packet(block, frame);
      case kSimplePacket:
        return read_simple_packet(block, frame);
      default:
        source_.consume(kBlockHeader);
        if (!skip_block(block, kBlockHeader)) return false;
    }
  }
}

// Leaves the header in the window. A section header is read in its own byte order, which counts from there on.
bool CaptureReader::read_block_header(Block& block) {
  item_offset_ = source_.offset();
  if (!source_.need(kBlockHeader)) return short_input("a block");
  block.type = get32(source_.data());
  if (block.type == kSection) {
    if (!source_.need(kBlockHeader + 4)) return short_input("a section header");
    const uint32_t magic = load<uint32_t>(source_.data() + kBlockHeader);
    swapped_ = magic == swap32(kByteOrderMagic);
    if (!swapped_ && magic != kByteOrderMagic) {
      return item_offset_ == 0 ? not_a_capture() : corrupt("a section header without a byte-order magic");
    }
  }
  block.length = get32(source_.data() + 4);
  if (block.length < kMinBlock || block.length % 4 != 0) {
    return corrupt("a block of %u bytes; it must be a multiple of 4, and at least %u", block.length, kMinBlock);
  }
  return true;
}

bool CaptureReader::read_section(const Block& block) {
  if (block.length < kMinBlock + kSectionBody) return corrupt("a section header of %u bytes", block.length);
  if (!source_.need(kBlockHeader + kSectionBody)) return short_input("a section header");
  const unsigned major = get16(source_.data() + kBlockHeader + 4);
  const unsigned minor = get16(source_.data() + kBlockHeader + 6);
  if (major != 1 || (minor != 0 && minor != 2)) {  // 1.2 is 1.0 by another name
    return status_.fail(kCaptureUnsupported, "%.400s is a pcapng file of version %u.%u; 1.0 can be read", name_.c_str(),
                        major, minor);
  }
  interfaces_.clear();
  source_.consume(kBlockHeader + kSectionBody);
  return skip_block(block, kBlockHeader + kSectionBody);
}

bool CaptureReader::read_interface(const Block& block) {
  if (!need_block(block, kInterfaceBody)) return false;
  if (interfaces_.size() >= kMaxInterfaces) return corrupt("more than %zu interfaces in a section", kMaxInterfaces);
  const uint8_t* body = source_.data() + kBlockHeader;
  Interface interface {
    get16(body), get32(body + 4), 6, 0
  };
  if (!read_options(body + kInterfaceBody, body + block.length - kMinBlock, interface)) return false;
  interfaces_.push_back(interface);
  source_.consume(block.length);
  return true;
}

bool CaptureReader::read_options(const uint8_t* option, const uint8_t* end, Interface& interface) {
  bool has_resolution = false;
  while (option < end) {
    // Everything is a multiple of 4 here, so a header always fits.
    const uint16_t code = get16(option);
    const uint16_t length = get16(option + 2);
    const uint8_t* value = option + 4;
    if (code == kOptionEnd) break;
    if (padded(length) > static_cast<uint64_t>(end - value)) return corrupt("option %u is longer than its block", code);
    if (code == kOptionTimeResolution && !has_resolution) {
      if (length != 1) return corrupt("an if_tsresol option of %u bytes, not 1", length);
      interface.time_resolution = value[0];
      has_resolution = true;
    } else if (code == kOptionTimeOffset) {
      if (length != 8) return corrupt("an if_tsoffset option of %u bytes, not 8", length);
      interface.time_offset = static_cast<int64_t>(get64(value));
    }
    option = value + padded(length);
  }
  return true;
}

// Enhanced packets and the obsolete ones before them, which share one word between interface (16 bits) and drops.
bool CaptureReader::read_packet(const Block& block, CaptureFrame& frame) {
  if (!need_block(block, kPacketBody)) return false;
  const uint8_t* body = source_.data() + kBlockHeader;
  const Interface* interface = interface_at(block.type == kObsoletePacket ? get16(body) : get32(body));
  if (!interface) return false;
  const uint32_t length = get32(body + 12);
  if (length > kMaxFrame) return corrupt("a packet of %u bytes, more than the limit of %u", length, kMaxFrame);
  if (length > block.length - kMinBlock - kPacketBody) {
    return corrupt("a packet of %u bytes in a block of %u", length, block.length);
  }
  const uint64_t units = uint64_t{get32(body + 4)} << 32 | get32(body + 8);
  frame.time_ns = pcapng_nanos(units, interface->time_resolution, interface->time_offset);
  frame.link_type = interface->link_type;
  const uint32_t wire_length = get32(body + 16);
  source_.consume(block.length);
  return deliver(frame, body + kPacketBody, length, wire_length);
}

// No time, no captured length: the packet is cut at the first interface's snaplen.
bool CaptureReader::read_simple_packet(const Block& block, CaptureFrame& frame) {
  if (!need_block(block, kSimplePacketBody)) return false;
  const Interface* interface = interface_at(0);
  if (!interface) return false;
  const uint8_t* body = source_.data() + kBlockHeader;
  const uint32_t wire_length = get32(body);
  const uint32_t length = interface->snaplen == 0 ? wire_length : std::min(wire_length, interface->snaplen);
  if (length > kMaxFrame) return corrupt("a packet of %u bytes, more than the limit of %u", length, kMaxFrame);
  if (length > block.length - kMinBlock - kSimplePacketBody) {
    return corrupt("a packet of %u bytes in a block of %u", length, block.length);
  }
  frame.time_ns = 0;
  frame.link_type = interface->link_type;
  source_.consume(block.length);
  return deliver(frame, body + kSimplePacketBody, length, wire_length);
}

const CaptureReader::Interface* CaptureReader::interface_at(uint32_t index) {
  if (index < interfaces_.size()) return &interfaces_[index];
  corrupt("a packet of interface %u; %zu are described", index, interfaces_.size());
  return nullptr;
}

// Brings the whole block into the window and checks its frame.
bool CaptureReader::need_block(const Block& block, uint32_t least_body) {
  if (block.length < kMinBlock + least_body)
    return corrupt("a block of type %u with %u bytes", block.type, block.length);
  if (block.length > kMaxBlock) {
    return corrupt("a block of type %u with %u bytes, more than the limit of %u", block.type, block.length, kMaxBlock);
  }
  if (!source_.need(block.length)) return short_input("a block");
  return check_trailer(block, get32(source_.data() + block.length - kBlockTrailer));
}

// Passes over the rest of a block of any size, of which `consumed` bytes are gone.
bool CaptureReader::skip_block(const Block& block, uint32_t consumed) {
  if (!source_.skip(block.length - consumed - kBlockTrailer) || !source_.need(kBlockTrailer)) {
    return short_input("a block");
  }
  const uint32_t trailer = get32(source_.data());
  source_.consume(kBlockTrailer);
  return check_trailer(block, trailer);
}

bool CaptureReader::check_trailer(const Block& block, uint32_t trailer) {
  if (trailer == block.length) return true;
  return corrupt("a block of type %u says %u bytes at its start and %u at its end", block.type, block.length, trailer);
}

}  // namespace overlane
