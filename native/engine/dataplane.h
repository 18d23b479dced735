// The dataplane as the control plane sees it: ports, underlays, bridges, tables, and a run of bursts between changes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "port/port.h"
#include "stage/context.h"

namespace overlane {

struct DataplaneOptions {
  FdbKind fdb = FdbKind::bucket;
  uint32_t burst = 64;  // 1 to kMaxBurst
  uint32_t fdb_entries = 131072;
  uint32_t neighbor_entries = 65536;
  uint32_t small_packets = 4096;
  uint32_t large_packets = 64;
  uint64_t seed = 0;
  bool live = false;
};

struct DomainOptions {
  uint16_t vlan = kNoVlan;
  int32_t vni = -1;
};

struct BridgeOptions {
  uint16_t underlay = kNoUnderlay;
  std::vector<DomainOptions> domains;
  Domain policy;  // the flags are taken, the rest is filled in
  Tick ageing = 0;
  uint32_t fdb_limit = 0;
  uint32_t port_fdb_limit = 0;
};

struct AttachOptions {
  bool isolated = false;
  bool learning = true;
  uint32_t fdb_limit = 0;
  uint16_t vlan = kNoVlan;  // the port becomes a trunk, and this VLAN of it is what is attached
  bool uplink = false;      // macvlan and ipvlan: the parent of the network
  Mac uplink_mac = 0;       // ipvlan-l3: where it routes
};

struct UnderlayOptions {
  bool datagrams = false;
  uint16_t port = 0;
  uint16_t udp_port = 0;
  uint8_t ttl = 64;
  bool send_checksum = false;
  bool verify_checksum = false;
  uint32_t mtu = 0;
  IpAddress local;
  Mac mac = 0;
  // Live: MACs of next hops are asked for by ARP or ND, and requests for `local` are answered.
  bool resolve = false;
  uint8_t prefix_length = 0;         // of `local`; VTEPs outside of it are reached through the gateway
  std::optional<IpAddress> gateway;  // none: every VTEP is on the link
  // For encrypted VNIs only, whose VXLAN packets travel as ESP.
  EspCarriage esp = EspCarriage::none;
  uint16_t esp_port = 0;
  bool trains = false;
};

// Arguments are valid already (the TypeScript side checked them); false means that a table is full.
class Dataplane {
 public:
  static constexpr uint32_t kMaxPorts = 0xfffe;

  explicit Dataplane(const DataplaneOptions& options);

  // at: the index of a port that was removed; kMaxPorts: a new one.
  uint16_t add_port(std::unique_ptr<Port> port, uint32_t mtu, uint16_t at = kMaxPorts);
  // Gives it back, with nothing buffered. It carries no underlay any more.
  std::unique_ptr<Port> remove_port(uint16_t port);
  // At the end: gives away the ports that end slowly.
  void give_slow_ports(std::vector<std::unique_ptr<Port>>& to);
  Port* port(uint16_t index) { return index < ports_.size() ? ports_[index].get() : nullptr; }
  uint16_t port_count() const { return static_cast<uint16_t>(ports_.size()); }
  void set_mtu(uint16_t port, uint32_t mtu);

  // Copies of what the port receives and transmits go there, until they are told not to or the port is removed.
  void add_mirror(uint16_t port, CaptureRing* ring) { context_.mirrors.add(port, ring); }
  void remove_mirror(uint16_t port, const CaptureRing* ring) { context_.mirrors.remove(port, ring); }

  uint16_t add_underlay(const UnderlayOptions& options);
  void remove_underlay(uint16_t underlay);
  void set_next_hop(uint16_t underlay, IpAddress ip, Mac mac);
  // What another worker found out (News::Kind::next_hop).
  void set_learned_next_hop(uint16_t underlay, IpAddress ip, Mac mac);

  uint16_t add_keyring(const KeyringOptions& options) { return context_.associations.add_keyring(options); }
  void set_keys(uint16_t keyring, std::vector<KeyringKey> keys, int32_t send) {
    context_.associations.set_keys(keyring, std::move(keys), send);
  }
  void remove_keyring(uint16_t keyring) { context_.associations.remove_keyring(keyring); }

  uint16_t add_bridge(const BridgeOptions& options);
  void remove_bridge(uint16_t bridge);
  void attach(uint16_t bridge, uint16_t port, const AttachOptions& options);
  void detach(uint16_t bridge, uint16_t port);
  void detach(uint16_t port);  // from every bridge
  // The port, or its lane, that is attached to the bridge; kNoPort: neither.
  uint16_t place_of(uint16_t bridge, uint16_t port) const;
  bool may_add_lane() const { return ports_.size() < kMaxPorts || !free_lanes_.empty(); }
  // An address that the container at that place has; until then it may be another's. False when there are too many.
  bool add_address(uint16_t domain, IpAddress ip, uint16_t place);
  bool remove_address(uint16_t domain, IpAddress ip) { return context_.addresses.erase({ip, domain}); }

  // mac: of a station, the same on every node.
  uint16_t add_router(Mac mac);
  void remove_router(uint16_t router);
  // A domain has one at most.
  void add_interface(uint16_t router, uint16_t domain, std::vector<Prefix> addresses, uint32_t mtu);
  void remove_interface(uint16_t domain);

  // kNoDomain when the bridge has no such VLAN (kNoVlan: the untagged domain).
  uint16_t domain_of(uint16_t bridge, uint16_t vlan) const;
  Place add_vtep(uint16_t domain, IpAddress vtep, bool flood);
  void remove_vtep(uint16_t domain, IpAddress vtep);
  // kNowhere when the domain does not know that VTEP.
  Place tunnel_to(uint16_t domain, IpAddress vtep);
  bool add_fdb(uint16_t domain, Mac mac, Place place) { return context_.fdb->set_static(fdb_key(domain, mac), place); }
  bool remove_fdb(uint16_t domain, Mac mac) { return context_.fdb->erase(fdb_key(domain, mac)); }
  bool add_neighbor(uint16_t domain, IpAddress ip, Mac mac);
  bool remove_neighbor(uint16_t domain, IpAddress ip) { return context_.neighbors.erase(domain, ip); }

  // Carries bursts until no input is due or `max_packets` were received; returns how many were. now kFollow: the
  // clock is that of the captures.
  static constexpr Nanos kFollow = -1;
  uint64_t run(Nanos now, uint64_t max_packets);
  // Live: the time, before anything else is done at that time.
  void set_clock(Nanos now);
  // Live: carries one burst of one port. Returns the packets received; `more`: others may wait.
  uint32_t serve(uint16_t port, bool& more);
  // Live: what is due by now, between bursts; and when the next is.
  void timers();
  Nanos next_timer() const { return context_.next_hops.due(); }
  // Live: what there is to do once a second when no packets come.
  void idle();
  void flush();
  Nanos now() const { return context_.now; }

  const Context& context() const { return context_; }
  Context& context() { return context_; }

 private:
  struct BridgeState {
    bool used = false;
    uint32_t port_fdb_limit = 0;
    std::vector<uint16_t> domains;
  };

  uint16_t pick_input(Nanos until, Nanos& next_other) const;
  uint32_t room_for_burst() const;
  uint32_t carry_burst(uint16_t port, uint32_t wanted, Nanos until);
  void remove_tunnel(uint32_t index);
  uint16_t add_lane(uint16_t port, uint16_t vlan);
  void remove_lane(uint16_t lane);
  void leave(uint16_t place);
  // What stages need not look at when no domain wants it.
  void note_what_is_wanted();

  Context context_;
  uint32_t burst_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<BridgeState> bridges_;
  std::vector<uint16_t> free_lanes_;  // rows of ports_ and of all that goes by it; a lane has no port there
  uint32_t serial_ = 0;
  // Packets of the next burst of a port, as large as those of its last: super-frames that are carried 64 at a time are
  // out of the cache before they are sent.
  static constexpr uint64_t kBurstBytes = 256u << 10;
  std::vector<uint32_t> burst_limits_;
  Burst scratch_;
};

}  // namespace overlane
