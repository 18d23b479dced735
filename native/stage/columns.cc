#include "stage/columns.h"

#include <cstring>
#include <type_traits>

#include "stage/flow.h"
#include "stage/parse.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/udp.h"
#include "wire/vxlan.h"

namespace overlane {

namespace {

template <typename T>
constexpr const char* type_name() {
  if constexpr (std::is_same_v<T, uint8_t>) return "Uint8";
  if constexpr (std::is_same_v<T, uint16_t>) return "Uint16";
  if constexpr (std::is_same_v<T, uint32_t>) return "Uint32";
  if constexpr (std::is_same_v<T, int32_t>) return "Int32";
  if constexpr (std::is_same_v<T, double>) return "Float64";
}

enum class Column : size_t {
#define COLUMN(name, type, per, about) name,
#include "wire/columns.def"
#undef COLUMN
};

constexpr uint32_t kLinuxPort = 8472;  // what Linux used before the port was assigned

double mac_number(Mac mac) {
  return static_cast<double>(__builtin_bswap64(mac << 16));
}

OVERLANE_INLINE int32_t vni_of(const uint8_t* frame, const Headers& h, uint32_t ports) {
  const uint32_t destination = swap16(static_cast<uint16_t>(ports >> 16));
  if (OVERLANE_LIKELY(destination != vxlan::kPort && destination != kLinuxPort)) return -1;
  if (h.protocol != ip_protocol::kUdp || (h.flags & kFragment)) return -1;
  const uint32_t udp_length = load_be16(frame + h.l4 + 4);
  const uint32_t end = udp_length == 0 ? h.end : h.l4 + udp_length;
  if (end < h.payload + sizeof(Vxlan)) return -1;
  const auto& header = *reinterpret_cast<const Vxlan*>(frame + h.payload);
  return header.flags & vxlan::kValidVni ? static_cast<int32_t>(header.vni) : -1;
}

}  // namespace

const ColumnInfo kColumns[kColumnCount] = {
#define COLUMN(name, type, per, about) {#name, type_name<type>(), sizeof(type), per, about},
#include "wire/columns.def"
#undef COLUMN
};

size_t columns_bytes(uint32_t capacity) {
  size_t bytes = 0;
  for (const ColumnInfo& column : kColumns) {
    bytes += (size_t{column.element} * column.per_packet * capacity + 7) / 8 * 8;
  }
  return bytes;
}

ColumnWriter::ColumnWriter(uint8_t* buffer, uint32_t capacity) {
  for (size_t i = 0; i < kColumnCount; ++i) {
    at_[i] = buffer;
    buffer += (size_t{kColumns[i].element} * kColumns[i].per_packet * capacity + 7) / 8 * 8;
  }
}

void ColumnWriter::write(const uint8_t* data, const uint32_t* offsets, const uint32_t* lengths, uint32_t count) {
#define COLUMN(name, type, per, about) \
  [[maybe_unused]] auto* name = reinterpret_cast<type*>(at_[static_cast<size_t>(Column::name)]);
#include "wire/columns.def"
#undef COLUMN
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t* frame = data + offsets[i];
    const Headers h = parse_frame(frame, lengths[i]);
    const bool ethernet = h.status != ParseStatus::ethernet_truncated;
    dstMac[i] = ethernet ? mac_number(destination_mac(frame)) : 0;
    srcMac[i] = ethernet ? mac_number(source_mac(frame)) : 0;
    status[i] = static_cast<uint8_t>(h.status);
    flags[i] = h.flags;
    etherType[i] = h.ether_type;
    vlan[i] = h.vlan;
    ipVersion[i] = h.ip_version;
    protocol[i] = h.protocol;
    l3Offset[i] = h.l3;
    l4Offset[i] = h.l4;
    payloadOffset[i] = h.payload;
    flowHash[i] = flow_hash(frame, h);
    srcIp[i] = h.ip_version == 4 ? load_be32(frame + h.l3 + 12) : 0;
    dstIp[i] = h.ip_version == 4 ? load_be32(frame + h.l3 + 16) : 0;
    if (OVERLANE_UNLIKELY(h.ip_version == 6)) {
      std::memcpy(srcIp6 + 16 * i, frame + h.l3 + 8, 16);
      std::memcpy(dstIp6 + 16 * i, frame + h.l3 + 24, 16);
    }
    const bool ports_there = h.payload != 0 && (h.protocol == ip_protocol::kUdp || h.protocol == ip_protocol::kTcp);
    const uint32_t ports = ports_there ? load<uint32_t>(frame + h.l4) : 0;
    srcPort[i] = swap16(static_cast<uint16_t>(ports));
    dstPort[i] = swap16(static_cast<uint16_t>(ports >> 16));
    vni[i] = vni_of(frame, h, ports);
  }
}

}  // namespace overlane
