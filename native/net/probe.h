// Whether somebody on a link has an IP address: an ARP probe (RFC 5227, section 2.1.1), or the neighbor solicitation of
// duplicate address detection (RFC 4862, section 5.4). Neither says that we have it.
#pragma once

#include <optional>
#include <string>

#include "core/ip_address.h"
#include "net/netns.h"
#include "wire/ethernet.h"

namespace overlane {

struct Probe {
  std::string netns;             // path; empty: the caller's namespace
  std::string interface;         // sent from there
  std::optional<uint16_t> vlan;  // with this 802.1Q tag; none: untagged
  Mac mac = 0;                   // of the station that wants the address
  IpAddress ip;
  uint32_t timeout_ms = 300;  // for all probes together
  uint32_t probes = 3;
};

// Blocks for the whole time unless there is an answer. `owner`: the MAC of who has the address, or probes for it now.
// Codes: ERR_OVERLANE_MISSING, _PERMISSION (CAP_NET_RAW), _SYSTEM (such as: the interface is down).
NetResult probe_address(const Probe& probe, std::optional<Mac>& owner);

// What a frame received while probing says: the MAC of another who has, or wants, the address. `check_sum` false: the
// transport checksum is not finished yet. Any bytes.
std::optional<Mac> claims_address(const Probe& probe, const uint8_t* frame, size_t length, bool check_sum);

}  // namespace overlane
