// Containers that share a parent interface: what goes in at one of them, and where it comes out.
#pragma once

#include <string>

#include "test/lab.h"

namespace overlane::test {

// Port 0 is the uplink, the containers come after it.
struct ParentLab {
  explicit ParentLab(const BridgeOptions& options)
      : bridge(lab.bridge({}, options)), domain(lab.dataplane.domain_of(bridge, kNoVlan)) {}
  static BridgeOptions forwarding(Forwarding how) {
    BridgeOptions options = Lab::plain();
    options.policy.forwarding = how;
    return options;
  }
  // Which ports got the frame, as in "02", and the reasons of drops; what came out is in `out`.
  std::string send(size_t from, const Bytes& frame) {
    std::string got;
    const Counters before = lab.dataplane.context().counters;
    lab.pass(ports[from], frame);
    out.clear();
    for (size_t i = 0; i < ports.size(); ++i) {
      for (Bytes& drained : lab.drain(ports[i])) {
        got += static_cast<char>('0' + i);
        out.push_back(std::move(drained));
      }
    }
    for (size_t k = 0; k < kCounterCount; ++k) {
      const auto counter = static_cast<Counter>(k);
      if (std::string(kCounterInfo[k].kind) == "drop" && lab.total(counter) != before.total(counter)) {
        got += kCounterInfo[k].name;
      }
    }
    return got;
  }
  // The last that came out; empty: nothing did.
  Bytes last() const { return out.empty() ? Bytes{} : out.back(); }

  Lab lab;
  uint16_t bridge, domain;
  std::vector<uint16_t> ports;
  std::vector<Bytes> out;
};

}  // namespace overlane::test
