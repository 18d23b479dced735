// Frames for the tests, written byte by byte and not with the code under test.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace overlane::test {

using Bytes = std::vector<uint8_t>;

inline Bytes hex(const std::string& text) {
  Bytes out;
  std::string digits;
  for (char c : text) {
    if (c != ' ' && c != '\n' && c != ':') digits += c;
  }
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    out.push_back(static_cast<uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return out;
}

inline Bytes join(const std::vector<Bytes>& parts) {
  Bytes out;
  for (const Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

// 02:42:0a:00:00:<last>
inline Bytes mac(uint8_t last) {
  return {0x02, 0x42, 0x0a, 0x00, 0x00, last};
}
inline Bytes broadcast() {
  return Bytes(6, 0xff);
}

inline uint16_t ones_complement(const Bytes& bytes, size_t from, size_t to) {
  uint32_t sum = 0;
  for (size_t i = from; i < to; i += 2) sum += static_cast<uint32_t>(bytes[i] << 8 | (i + 1 < to ? bytes[i + 1] : 0));
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// Ethernet + IPv4 10.0.0.<source> -> 10.0.0.<destination> + UDP, `size` bytes in all.
inline Bytes udp_frame(Bytes to, Bytes from, uint8_t source, uint8_t destination, size_t size = 64) {
  Bytes frame = join({to, from, hex("0800 4500 0000 0001 0000 4011 0000 0a0000 00 0a0000 00 04d2 07d0 0000 0000")});
  frame.resize(size, 0x5a);
  const size_t total = size - 14;
  frame[16] = static_cast<uint8_t>(total >> 8);
  frame[17] = static_cast<uint8_t>(total);
  frame[29] = source;
  frame[33] = destination;
  frame[38] = static_cast<uint8_t>((total - 20) >> 8);
  frame[39] = static_cast<uint8_t>(total - 20);
  const uint16_t checksum = ones_complement(frame, 14, 34);
  frame[24] = static_cast<uint8_t>(checksum >> 8);
  frame[25] = static_cast<uint8_t>(checksum);
  return frame;
}

inline Bytes arp_request(uint8_t from, uint8_t target) {
  return join({broadcast(),
               mac(from),
               hex("0806 0001 0800 0604 0001"),
               mac(from),
               {10, 0, 0, from},
               Bytes(6, 0),
               {10, 0, 0, target}});
}

inline Bytes with_tag(Bytes frame, uint16_t vlan) {
  const Bytes tag = {0x81, 0x00, static_cast<uint8_t>(vlan >> 8), static_cast<uint8_t>(vlan)};
  frame.insert(frame.begin() + 12, tag.begin(), tag.end());
  return frame;
}

}  // namespace overlane::test
