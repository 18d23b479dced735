// macvlan: every mode's matrix of who reaches whom.
#include "test/parent_lab.h"

using namespace overlane;
using namespace overlane::test;

namespace {

// Containers 1, 2 and 3 with MACs of that number.
struct Network : ParentLab {
  explicit Network(Forwarding how, int count = 3, bool parent = true, uint16_t vlan = kNoVlan)
      : ParentLab(forwarding(how)) {
    ports.push_back(lab.port());
    AttachOptions uplink;
    uplink.uplink = true;
    uplink.vlan = vlan;
    if (parent) lab.dataplane.attach(bridge, ports[0], uplink);
    for (uint8_t i = 1; i <= count; ++i) {
      ports.push_back(lab.port());
      lab.dataplane.attach(bridge, ports[i], {});
      if (how != Forwarding::macvlan_passthru) lab.dataplane.add_fdb(domain, load_mac(mac(i).data()), ports[i]);
    }
  }
  // Whatever comes out is the frame, or what `arrives` in its place.
  std::string send(size_t from, const Bytes& frame, const Bytes& arrives = {}) {
    std::string got = ParentLab::send(from, frame);
    for (const Bytes& each : out) CHECK(each == (arrives.empty() ? frame : arrives));
    return got;
  }
  std::string unicast(size_t at, uint8_t from, uint8_t to) { return send(at, udp_frame(mac(to), mac(from), from, to)); }
  std::string group(size_t at, uint8_t from) { return send(at, udp_frame(broadcast(), mac(from), from, 255)); }
};

struct Row {
  Forwarding forwarding;
  const char *to_other, *to_group, *to_unknown, *to_self, *spoofed;     // from container 1
  const char *in, *in_other, *in_group, *in_from_ours, *in_group_ours;  // from the uplink
};

const Row kRows[] = {
    {Forwarding::macvlan_bridge, "2", "023", "0", "drop_same_port", "drop_source_static", "1", "drop_not_ours", "123",
     "2", "drop_echo"},
    {Forwarding::macvlan_private, "drop_isolated", "0", "0", "drop_same_port", "drop_source_static", "1",
     "drop_not_ours", "123", "drop_isolated", "drop_echo"},
    {Forwarding::macvlan_vepa, "0", "0", "0", "0", "drop_source_static", "1", "drop_not_ours", "123", "2", "23"},
};

}  // namespace

TEST("macvlan: bridge, private and vepa, from containers and from the uplink") {
  for (const Row& row : kRows) {
    Network n(row.forwarding);
    CHECK_EQ(n.unicast(1, 1, 2), row.to_other);
    CHECK_EQ(n.group(1, 1), row.to_group);
    CHECK_EQ(n.unicast(1, 1, 9), row.to_unknown);
    CHECK_EQ(n.unicast(1, 1, 1), row.to_self);
    CHECK_EQ(n.unicast(1, 2, 9), row.spoofed);
    CHECK_EQ(n.unicast(1, 9, 2), row.spoofed);
    CHECK_EQ(n.group(1, 9), row.spoofed);
    CHECK_EQ(n.unicast(0, 9, 1), row.in);
    CHECK_EQ(n.unicast(0, 9, 8), row.in_other);
    CHECK_EQ(n.group(0, 9), row.in_group);
    CHECK_EQ(n.unicast(0, 1, 2), row.in_from_ours);
    CHECK_EQ(n.unicast(0, 1, 1), "drop_echo");
    CHECK_EQ(n.group(0, 1), row.in_group_ours);
    CHECK_EQ(n.send(1, udp_frame(mac(2), broadcast(), 1, 2)), "drop_source_invalid");
    CHECK_EQ(n.send(0, udp_frame(mac(1), Bytes(6, 0), 1, 2)), "drop_source_invalid");
    CHECK_EQ(n.lab.dataplane.context().fdb->size(), 3u);  // nothing was learned
  }
}

TEST("macvlan: passthru gives the one container everything, and takes everything") {
  Network n(Forwarding::macvlan_passthru, 1);
  CHECK_EQ(n.unicast(1, 1, 2), "0");
  CHECK_EQ(n.unicast(1, 77, 2), "0");
  CHECK_EQ(n.group(1, 1), "0");
  CHECK_EQ(n.unicast(0, 9, 88), "1");
  CHECK_EQ(n.group(0, 9), "1");
  CHECK_EQ(n.send(0, udp_frame(hex("0180c200000e"), mac(9), 9, 1)), "1");
  CHECK_EQ(n.send(1, udp_frame(mac(2), broadcast(), 1, 2)), "drop_source_invalid");
  n.lab.dataplane.detach(n.bridge, n.ports[0]);
  CHECK_EQ(n.unicast(1, 1, 2), "drop_no_destination");
}

TEST("macvlan: without an uplink the network is isolated") {
  Network n(Forwarding::macvlan_bridge, 3, false);
  CHECK_EQ(n.unicast(1, 1, 2), "2");
  CHECK_EQ(n.group(1, 1), "23");
  CHECK_EQ(n.unicast(1, 1, 9), "drop_no_destination");
  Network alone(Forwarding::macvlan_private, 1, false);
  CHECK_EQ(alone.group(1, 1), "drop_no_destination");
}

TEST("macvlan: a VLAN of a trunk is an uplink, too") {
  Network n(Forwarding::macvlan_bridge, 3, true, 100);
  const Bytes out = udp_frame(mac(9), mac(1), 1, 9), in = udp_frame(mac(1), mac(9), 9, 1);
  CHECK_EQ(n.send(1, out, with_tag(out, 100)), "0");
  CHECK_EQ(n.send(0, with_tag(in, 100), in), "1");
  CHECK_EQ(n.send(0, with_tag(in, 101)), "drop_vlan_unknown");
  CHECK_EQ(n.send(0, in), "drop_vlan_unknown");
}

TEST("macvlan: more copies than there are buffers") {
  DataplaneOptions small;
  small.small_packets = 4;
  Lab lab(small);
  const uint16_t bridge = lab.bridge({}, ParentLab::forwarding(Forwarding::macvlan_bridge)), uplink = lab.port();
  AttachOptions parent;
  parent.uplink = true;
  lab.dataplane.attach(bridge, uplink, parent);
  std::vector<uint16_t> containers;
  for (int i = 0; i < 20; ++i) {
    containers.push_back(lab.port());
    lab.dataplane.attach(bridge, containers.back(), {});
  }
  for (int i = 0; i < 9; ++i) lab.inject(uplink, udp_frame(broadcast(), mac(9), 9, 255));
  lab.run();
  for (uint16_t port : containers) CHECK_EQ(lab.drain(port).size(), 9u);
}
