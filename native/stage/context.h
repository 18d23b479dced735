// What the stages of one worker share: the configuration as tables, the state, and where packets go next.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/counters.h"
#include "core/pool.h"
#include "stage/mirror.h"
#include "stage/output.h"
#include "table/associations.h"
#include "table/fdb.h"
#include "table/neighbor.h"
#include "table/next_hop.h"
#include "table/route.h"

namespace overlane {

inline constexpr uint16_t kNoBridge = 0xffff;
inline constexpr uint16_t kNoUnderlay = 0xffff;
inline constexpr uint16_t kNoDomain = 0;  // domains count from 1, so that no FDB key is 0
inline constexpr uint16_t kNoPort = 0xffff;

// How a bridge finds out where a frame belongs.
enum class Forwarding : uint8_t {
  learning,
  macvlan_bridge,
  macvlan_private,
  macvlan_vepa,
  macvlan_passthru,
  ipvlan_l2,
  ipvlan_l3,
};
inline constexpr uint32_t kForwardings = 7;

// What a port is to a bridge. A VLAN of a trunk is like a port, a *lane*: it has a row of its own here and with Output,
// and is a place; its packets are counted with its port.
struct Member {
  uint16_t bridge = kNoBridge;
  uint16_t untagged = kNoDomain;
  bool isolated = false;
  bool learning = true;
  std::vector<uint16_t> vlans;  // domain by VID; empty: the bridge has no VLAN map
  uint16_t trunk = kNoPort;     // the port that it is a lane of
  uint16_t vlan = kNoVlan;      // of a lane
  std::vector<uint16_t> lanes;  // lane by VID, kNoPort where there is none; empty: no trunk
  uint32_t serial = 0;          // another one each time that it is attached
};

struct Domain {  // one broadcast domain: a bridge, or one mapped VLAN of it
  bool used = false;
  uint16_t bridge = kNoBridge;
  uint16_t vlan = kNoVlan;  // tag taken off towards VTEPs and put back towards ports
  uint16_t underlay = kNoUnderlay;
  int32_t vni = -1;
  uint16_t keyring = kNoKeyring;  // encrypted with its keys; such a domain is on an underlay of ESP
  Forwarding forwarding = Forwarding::learning;
  uint16_t uplink = kNoPort;  // macvlan and ipvlan: the place of the parent
  Mac mac = 0;                // ipvlan: that all containers share
  Mac uplink_mac = 0;         // ipvlan-l3: where the uplink routes
  bool proxy_arp = false;
  bool arp_snooping = false;
  bool learning = true;
  bool learn_remote = false;
  bool flood_unknown = true;
  bool flood_broadcast = true;
  bool flood_multicast = true;
  bool flood_miss = true;
  uint16_t gateway = kNoInterface;  // of a router
  Mac gateway_mac = 0;              // its router's; 0: none
  std::vector<uint16_t> ports;
  std::vector<Place> replicate;  // tunnels that get a copy of what is flooded
};

struct Tunnel {  // one VTEP of one domain, with the outer headers ready to be stored
  bool used = false;
  bool resolved = false;  // the next hop's MAC is in the header, and need not be confirmed
  bool untag = false;     // the domain is a mapped VLAN: its tag stays here
  uint16_t domain = kNoDomain;
  uint16_t underlay = kNoUnderlay;
  uint32_t association = kNoAssociation;  // what it is encrypted with
  uint8_t outer = 0;                      // bytes of outer headers before the VXLAN header
  uint32_t hop = kNoHop;                  // in next_hops
  uint32_t next_of_hop = kNoTunnel;       // another tunnel with that next hop
  IpAddress vtep;
  uint64_t pseudo_sum = 0;                  // UDP pseudo-header without the length
  uint64_t ipv4_sum = 0;                    // IPv4 header without length, TOS and checksum
  alignas(kCacheLine) uint8_t header[128];  // outer headers, and the VXLAN header, which ends at the last byte
};

// What an underlay of ESP puts it in.
enum class EspCarriage : uint8_t { none, udp, ip };

struct Underlay {
  bool used = false;
  bool datagrams = false;  // the port is one of datagrams: outer headers are the kernel's affair
  uint16_t carrier = 0;    // the port
  uint16_t udp_port = 0;
  uint8_t ttl = 64;
  bool send_checksum = false;
  bool verify_checksum = false;
  uint32_t mtu = 0;
  IpAddress local;
  Mac mac = 0;
  bool resolve = false;              // asks for the MACs of next hops, and answers for `local`
  uint8_t prefix_length = 0;         // of `local`: what is on the link
  std::optional<IpAddress> gateway;  // towards the rest; none: everything is on the link
  EspCarriage esp = EspCarriage::none;
  uint16_t esp_port = 0;  // UDP
  bool trains = false;    // the carrier takes and brings trains of ESP packets
};

struct VniKey {
  uint32_t underlay;
  uint32_t vni;
  bool operator==(const VniKey&) const = default;
  uint64_t hash(uint64_t seed) const { return hash64(uint64_t{underlay} << 32 | vni, seed); }
};

// What decap found lately, by what it saw in the outer headers: most packets come from where one before came from.
class VtepCache {
 public:
  struct Entry {
    uint64_t addresses = 0;  // outer IPv4 source and destination
    uint64_t rest =
        UINT64_MAX;  // VNI, port that carries it, UDP port; never all ones, so an empty entry is no packet's
    uint32_t tunnel = 0;
    uint16_t domain = kNoDomain;
  };
  // All as they lie in the packet: nothing is turned round to be compared.
  static OVERLANE_INLINE uint64_t rest_of(const uint8_t* vni, uint16_t carrier, const uint8_t* udp_port) {
    return (load<uint32_t>(vni) & 0xffffff) | uint64_t{carrier} << 32 | uint64_t{load<uint16_t>(udp_port)} << 48;
  }
  OVERLANE_INLINE Entry& of(uint64_t addresses, uint64_t rest) {
    return entries_[((addresses ^ rest) * 0x9e3779b97f4a7c15) >> (64 - kBits)];
  }
  void clear() {
    for (Entry& entry : entries_) entry = {};
  }

 private:
  static constexpr unsigned kBits = 7;
  Entry entries_[1 << kBits];
};

struct Context {
  Context(FdbKind kind, uint32_t fdb_entries, uint32_t neighbor_entries, uint32_t small, uint32_t large, uint64_t seed)
      : pools(small, large),
        fdb(make_fdb(kind, fdb_entries, seed)),
        neighbors(neighbor_entries, seed),
        misses(seed),
        vnis(16, seed),
        encrypted_vnis(16, seed),
        vteps(16, seed),
        addresses(16, seed),
        max_addresses(neighbor_entries),
        next_hops(seed),
        routes(seed),
        associations(seed) {
    fdb->tell(&news);
  }

  Pools pools;
  Counters counters;
  std::unique_ptr<Fdb> fdb;
  NeighborTable neighbors;
  MissQueue misses;
  NewsList news;  // for the other workers
  Output output;
  Mirrors mirrors;

  std::vector<Member> members;  // by port
  std::vector<Domain> domains;
  std::vector<Underlay> underlays;
  std::vector<std::vector<uint16_t>> carried;  // by port: the underlays that it carries
  std::vector<Tunnel> tunnels;
  FlatMap<VniKey, uint16_t> vnis;            // -> domain
  FlatMap<VniKey, uint32_t> encrypted_vnis;  // of any underlay -> domains
  FlatMap<AddressKey, uint32_t> vteps;       // in a domain -> tunnel
  FlatMap<AddressKey, uint16_t> addresses;   // ipvlan: in a domain -> the container's place
  size_t max_addresses;
  NextHops next_hops;
  std::vector<Router> routers;
  std::vector<RouterInterface> interfaces;
  RouteTable routes;
  Associations associations;
  VtepCache recent_vteps;
  bool asks_neighbors = false;  // some domain has proxy ARP, snooping or a gateway
  bool has_gateways = false;    // some domain has one
  bool maps_vlans = false;      // some domain is a mapped VLAN
  bool live = false;            // the clock is that of the world, not of captures
  Nanos now = 0;
  Tick tick = 0;
};

}  // namespace overlane
