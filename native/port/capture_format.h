// Numbers of the two capture formats, shared by the reader and the writer.
//   pcap:   draft-ietf-opsawg-pcap, "PCAP Capture File Format"
//   pcapng: draft-ietf-opsawg-pcapng, "PCAP Next Generation (pcapng) Capture File Format"
#pragma once

#include <cstdint>

namespace overlane {

inline constexpr uint32_t kLinkTypeEthernet = 1;
inline constexpr uint32_t kLinkTypeUnknown = UINT32_MAX;  // the file names none (pcapng without an interface)

namespace pcap {

// File header, 24 bytes: magic, version major and minor (16 bits each), 2 reserved words, snaplen, link type.
// Record header, 16 bytes: seconds, fraction, captured length, original length.
inline constexpr uint32_t kMagicMicros = 0xa1b2c3d4;
inline constexpr uint32_t kMagicNanos = 0xa1b23c4d;
inline constexpr uint32_t kMagicModified = 0xa1b2cd34;  // A. Kuznetzov's patch: records with 8 bytes more
inline constexpr uint32_t kFileHeader = 24;
inline constexpr uint32_t kRecordHeader = 16;
inline constexpr uint32_t kModifiedRecordHeader = 24;
// Of the link type word: bits 28-31 FCS length, 27 reserved, 26 FCS length present, 16-25 reserved.
inline constexpr uint32_t kLinkTypeMask = 0x0000ffff;
inline constexpr uint32_t kReservedMask = 0x0bff0000;

}  // namespace pcap

namespace pcapng {

// Block: type, total length, body, total length again; the lengths count all of it and are multiples of 4.
inline constexpr uint32_t kSection = 0x0a0d0d0a;  // the same in either byte order
inline constexpr uint32_t kInterface = 1;
inline constexpr uint32_t kObsoletePacket = 2;
inline constexpr uint32_t kSimplePacket = 3;
inline constexpr uint32_t kEnhancedPacket = 6;
inline constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;

inline constexpr uint32_t kBlockHeader = 8;
inline constexpr uint32_t kBlockTrailer = 4;
inline constexpr uint32_t kMinBlock = kBlockHeader + kBlockTrailer;
inline constexpr uint32_t kSectionBody = 16;   // byte-order magic, major, minor, section length (64 bits)
inline constexpr uint32_t kInterfaceBody = 8;  // link type, reserved (16 bits each), snaplen
inline constexpr uint32_t kPacketBody = 20;    // interface, time high, time low, captured and original length
inline constexpr uint32_t kSimplePacketBody = 4;

inline constexpr uint16_t kOptionEnd = 0;
inline constexpr uint16_t kOptionTimeResolution = 9;  // 1 byte: units of 10^-n s, or 2^-n s with bit 7; default 6
inline constexpr uint16_t kOptionTimeOffset = 14;     // 8 bytes, signed: seconds to add

}  // namespace pcapng
}  // namespace overlane
