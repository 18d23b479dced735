#include "table/associations.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "crypto/kdf.h"

namespace overlane {

namespace {

constexpr uint64_t kTellAgain = uint64_t{10} * 1'000'000'000;

// A window goes, but not the key: nothing as old as what it has seen is taken for new from now on.
void raise_floor(Association& association, const InboundSa& gone) {
  association.floor = std::max(association.floor, gone.newest_iv);
}

bool is_same(const KeyringKey& a, const KeyringKey& b) {
  return a.id == b.id && a.secret->length() == b.secret->length() &&
         std::memcmp(a.secret->data(), b.secret->data(), a.secret->length()) == 0;
}

}  // namespace

uint32_t Associations::hold(uint16_t underlay, uint16_t keyring, const IpAddress& local, const IpAddress& peer,
                            bool live) {
  const uint32_t first = first_of(underlay, peer);
  for (uint32_t i = first; i != kNoAssociation; i = associations_[i].next_of_peer) {
    if (associations_[i].keyring == keyring) return ++associations_[i].users, i;
  }
  uint32_t index = 0;
  while (index < associations_.size() && associations_[index].users > 0) ++index;
  if (index == associations_.size()) associations_.emplace_back();
  Association& added = associations_[index];
  added = {};
  added.users = 1;
  added.underlay = underlay;
  added.keyring = keyring;
  added.lanes = keyrings_[keyring].strong() ? Association::kLanes : 1;
  added.icv_length = static_cast<uint16_t>(keyrings_[keyring].icv_length());
  added.local = local;
  added.peer = peer;
  added.next_of_peer = first;
  const uint64_t* before = floors_.find({peer, 0});
  added.floor = std::max({live ? wall_clock() - kSkew : 0, least_floor_, before == nullptr ? 0 : *before});
  by_peer_.put({peer, underlay}, index);
  follow_keys(added, index);
  return index;
}

void Associations::release(uint32_t index) {
  Association& gone = associations_[index];
  if (--gone.users > 0) return;
  while (!gone.inbound.empty()) {
    raise_floor(gone, *inbound_[gone.inbound[0]]);
    forget_inbound(gone, 0);
  }
  keep_floor(gone);
  const AddressKey key{gone.peer, gone.underlay};
  uint32_t* at = by_peer_.find(key);
  while (*at != index) at = &associations_[*at].next_of_peer;
  *at = gone.next_of_peer;
  if (*by_peer_.find(key) == kNoAssociation) by_peer_.erase(key);
  gone = {};
}

uint16_t Associations::add_keyring(const KeyringOptions& options) {
  uint16_t index = 1;
  while (index < keyrings_.size() && keyrings_[index].used) ++index;
  if (index == keyrings_.size()) keyrings_.emplace_back();
  keyrings_[index] = {true, options, {}, -1};
  return index;
}

void Associations::set_keys(uint16_t keyring, std::vector<KeyringKey> keys, int32_t send) {
  Keyring& ring = keyrings_[keyring];
  const KeyringKey* sent = ring.sends();
  const bool same = sent != nullptr && send >= 0 && is_same(*sent, keys[static_cast<size_t>(send)]);
  for (const KeyringKey& old : ring.keys) {
    const bool kept = std::any_of(keys.begin(), keys.end(), [&](const KeyringKey& key) { return is_same(old, key); });
    if (!kept) forget_key(keyring, old.id);
  }
  ring.keys = std::move(keys);
  ring.send = send;
  for (uint32_t i = 0; i < associations_.size(); ++i) {
    Association& association = associations_[i];
    if (association.users == 0 || association.keyring != keyring) continue;
    if (!same) {
      for (OutboundSa& sa : association.outbound) sa.close();
    }
    follow_keys(association, i);
  }
}

void Associations::remove_keyring(uint16_t keyring) {
  set_keys(keyring, {}, -1);
  keyrings_[keyring] = {};
}

void Associations::forget_key(uint16_t keyring, uint32_t id) {
  for (Association& association : associations_) {
    if (association.users == 0 || association.keyring != keyring) continue;
    for (size_t i = association.inbound.size(); i-- > 0;) {
      if (inbound_[association.inbound[i]]->key_id == id) forget_inbound(association, i);
    }
  }
}

// SPIs of profile docker are known beforehand, and get their SAs now.
void Associations::follow_keys(Association& association, uint32_t index) {
  const Keyring& ring = keyrings_[association.keyring];
  for (size_t i = 0; i < ring.keys.size(); ++i) {
    const KeyringKey& key = ring.keys[i];
    if (ring.strong()) {
      // Without a hint the key is not tried, and the packets are dropped as of an unknown SPI.
      if (!spi_hint(*key.secret, association.peer, association.local, association.hints[i])) association.hints[i] = 0;
      continue;
    }
    const uint32_t spi = docker_spi(association.peer, association.local, key.id);
    if (find(association.underlay, association.peer, spi) != nullptr) continue;
    auto sa = std::make_unique<InboundSa>();
    if (open_inbound(ring, key, association.local, association.peer, spi, *sa)) add(index, std::move(sa));
  }
}

InboundSa* Associations::add(uint32_t index, std::unique_ptr<InboundSa> sa) {
  Association& association = associations_[index];
  if (association.inbound.size() == Association::kMaxInbound) {
    size_t oldest = 0;
    for (size_t i = 1; i < association.inbound.size(); ++i) {
      if (inbound_[association.inbound[i]]->heard < inbound_[association.inbound[oldest]]->heard) oldest = i;
    }
    raise_floor(association, *inbound_[association.inbound[oldest]]);
    forget_inbound(association, oldest);
  }
  uint32_t slot = static_cast<uint32_t>(inbound_.size());
  if (free_inbound_.empty()) {
    inbound_.emplace_back();
  } else {
    slot = free_inbound_.back();
    free_inbound_.pop_back();
  }
  sa->association = index;
  by_spi_.put({association.peer, sa->spi, association.underlay}, slot);
  association.inbound.push_back(slot);
  inbound_[slot] = std::move(sa);
  return inbound_[slot].get();
}

void Associations::keep_floor(const Association& gone) {
  if (uint64_t* kept = floors_.insert({gone.peer, 0})) {
    *kept = std::max(*kept, gone.floor);
  } else {
    least_floor_ = std::max(least_floor_, gone.floor);
  }
}

void Associations::forget_inbound(Association& association, size_t which) {
  const uint32_t slot = association.inbound[which];
  const InboundSa& gone = *inbound_[slot];
  by_spi_.erase({association.peer, gone.spi, association.underlay});
  inbound_[slot].reset();
  free_inbound_.push_back(slot);
  association.inbound.erase(association.inbound.begin() + static_cast<std::ptrdiff_t>(which));
}

void Associations::alert(uint32_t index, Alert alert, uint64_t clock) {
  Association& association = associations_[index];
  uint64_t& last = association.alerted[static_cast<size_t>(alert)];
  if (clock - last < kTellAgain || alert_count_ == kMaxAlerts) return;
  last = clock;
  alerts_[alert_count_++] = {alert, association.keyring, association.underlay, association.peer};
}

}  // namespace overlane
