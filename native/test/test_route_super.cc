// What a TAP hands over whole is routed whole.
#include "engine/pipeline.h"
#include "test/route_lab.h"

using namespace overlane;
using namespace overlane::test;

namespace {

uint16_t transport_sum(const Bytes& frame) {  // of TCP or UDP over IPv4 without options: 0 when it is right
  Bytes all = join({part(frame, 26, 34), {0, frame[23], 0, 0}, part(frame, 34, frame.size())});
  put16(all, 10, static_cast<uint16_t>(frame.size() - 34));
  return ones_complement(all, 0, all.size());
}

// A super-frame of TCP over IPv4 with `payload` bytes, as a TAP hands it over: one packet, checksum left open.
Packet* super_frame(Context& context, const Bytes& source, const Bytes& destination, size_t payload, uint16_t segment) {
  Bytes tcp = join({hex("1388 1389 00000001 00000001 5010 ffff 0000 0000"), Bytes(payload, 0x5c)});
  const Bytes pseudo = join({source, destination, {0, 6, 0, 0}});
  Bytes summed = pseudo;
  put16(summed, 10, static_cast<uint16_t>(tcp.size()));
  put16(tcp, 16, static_cast<uint16_t>(~ones_complement(summed, 0, summed.size())));
  Ip ip{source, destination, 6, tcp};
  ip.fragment = 0x4000;
  const Bytes frame = frame_of(kGateway, mac(2), ip);
  Packet* packet = context.pools.take(static_cast<uint32_t>(frame.size()));
  std::copy(frame.begin(), frame.end(), packet->data);
  packet->length = static_cast<uint32_t>(frame.size());
  packet->segment = segment;
  packet->flags = kPartialChecksum;
  packet->time = 0;
  return packet;
}

}  // namespace

TEST("route: a super-frame goes on whole, and its segments are what has to fit") {
  for (const uint32_t mtu : {1040u, 1039u}) {
    RouteLab r;
    r.place(r.blue, 12, r.b);
    r.lab.dataplane.remove_interface(r.blue);
    r.connect(r.blue, {{blue4(1), 24}}, mtu);
    Context& context = r.lab.dataplane.context();
    Burst burst;
    burst.packets[burst.count++] = super_frame(context, red4(2), blue4(12), 10'500, 1000);
    carry(burst, r.a, context);
    r.lab.settled();
    const std::vector<Bytes> out = r.lab.drain(r.b);
    if (mtu == 1039) {
      CHECK_EQ(r.lab.total(Counter::drop_route_mtu), 1u);
      const std::vector<Bytes> error = r.lab.drain(r.a);
      CHECK_EQ(error.size(), 1u);
      CHECK_EQ(error[0].size(), 14u + 576);
      CHECK_EQ(load_be16(&error[0][40]), 1039u);
      continue;
    }
    CHECK_EQ(r.lab.total(Counter::routed), 1u);
    CHECK_EQ(out.size(), 11u);
    for (const Bytes& frame : out) {
      CHECK_EQ(frame[22], 63);
      CHECK_EQ(ones_complement(frame, 14, 34), 0);
      CHECK_EQ(transport_sum(frame), 0);
    }
  }
}
