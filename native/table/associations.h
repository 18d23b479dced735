// Who is encrypted with what: for every peer of a keyring, the SAs of both directions. One worker's; SAs are made when
// they are first needed, which is rare, and only then is memory allocated.
#pragma once

#include <memory>
#include <vector>

#include "crypto/sa.h"
#include "table/address.h"
#include "table/flat_map.h"

namespace overlane {

inline constexpr uint32_t kNoAssociation = UINT32_MAX;

// What the control plane should know about an association.
enum class Alert : uint8_t { no_key, exhausted, limit_near, engine, stale, count_ };
inline constexpr size_t kAlertCount = static_cast<size_t>(Alert::count_);

struct Association {
  static constexpr uint32_t kLanes = 4;         // SAs to send with in profile strong, so that flows take different ways
  static constexpr uint32_t kMaxInbound = 256;  // of a peer with 64 workers

  uint32_t users = 0;  // tunnels
  uint16_t underlay = 0;
  uint16_t keyring = kNoKeyring;
  uint16_t lanes = 1;       // in use
  uint16_t icv_length = 0;  // bytes
  uint32_t next_of_peer = kNoAssociation;
  IpAddress local;
  IpAddress peer;
  OutboundSa outbound[kLanes];
  std::vector<uint32_t> inbound;
  uint8_t hints[Keyring::kMaxKeys] = {};
  // What was sealed before that is refused from SAs that are not known (yet, or any more).
  uint64_t floor = 0;
  uint64_t alerted[kAlertCount] = {};  // wall clock
};

struct AlertNote {
  Alert alert;
  uint16_t keyring;
  uint16_t underlay;
  IpAddress peer;
};

class Associations {
 public:
  // Before what now is, an SA that is new to us may be a recording: how much clocks may differ.
  static constexpr uint64_t kSkew = uint64_t{60} * 1'000'000'000;

  explicit Associations(uint64_t seed) : by_peer_(16, seed), by_spi_(64, seed), floors_(kMaxFloors, seed) {}

  // Configuration, between bursts. live: packets come from now, and not from recordings.
  uint32_t hold(uint16_t underlay, uint16_t keyring, const IpAddress& local, const IpAddress& peer, bool live);
  void release(uint32_t association);
  uint16_t add_keyring(const KeyringOptions& options);
  void set_keys(uint16_t keyring, std::vector<KeyringKey> keys, int32_t send);
  void remove_keyring(uint16_t keyring);

  const Keyring& keyring(uint16_t index) const { return keyrings_[index]; }
  Association& at(uint32_t association) { return associations_[association]; }
  // The first with that peer; next_of_peer leads on.
  uint32_t first_of(uint16_t underlay, const IpAddress& peer) {
    const uint32_t* found = by_peer_.find({peer, underlay});
    return found == nullptr ? kNoAssociation : *found;
  }
  OVERLANE_INLINE InboundSa* find(uint16_t underlay, const IpAddress& peer, uint32_t spi) {
    const uint32_t* found = by_spi_.find({peer, spi, underlay});
    return found == nullptr ? nullptr : inbound_[*found].get();
  }
  // Takes in an SA of that association; the one not heard of for longest makes room.
  InboundSa* add(uint32_t association, std::unique_ptr<InboundSa> sa);

  // Notes what is to be told; the same of one peer every 10 s.
  void alert(uint32_t association, Alert alert, uint64_t clock);
  template <typename Visit>
  void take_alerts(Visit visit) {
    for (uint32_t i = 0; i < alert_count_; ++i) visit(alerts_[i]);
    alert_count_ = 0;
  }

 private:
  struct SpiKey {
    IpAddress peer;
    uint32_t spi = 0;
    uint16_t underlay = 0;
    bool operator==(const SpiKey&) const = default;
    uint64_t hash(uint64_t seed) const { return AddressKey{peer, spi ^ uint32_t{underlay} << 16}.hash(seed); }
  };
  static constexpr uint32_t kMaxAlerts = 64;
  static constexpr uint32_t kMaxFloors = 1024;

  void forget_inbound(Association& association, size_t which);
  void follow_keys(Association& association, uint32_t index);
  void forget_key(uint16_t keyring, uint32_t id);
  void keep_floor(const Association& gone);

  std::vector<Keyring> keyrings_ = std::vector<Keyring>(1);  // kNoKeyring
  std::vector<Association> associations_;
  std::vector<std::unique_ptr<InboundSa>> inbound_;
  std::vector<uint32_t> free_inbound_;
  FlatMap<AddressKey, uint32_t> by_peer_;
  FlatMap<SpiKey, uint32_t> by_spi_;
  FlatMap<AddressKey, uint64_t> floors_;  // of associations that are gone, by peer
  uint64_t least_floor_ = 0;              // of those that there was no room for
  AlertNote alerts_[kMaxAlerts];
  uint32_t alert_count_ = 0;
};

}  // namespace overlane
