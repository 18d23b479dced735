// mirror: copies of what a port receives and transmits, for captures. The packets go on as if nobody looked.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "core/capture_ring.h"
#include "core/packet.h"

namespace overlane {

struct Context;

// Which ports are mirrored, and where to.
class Mirrors {
 public:
  // The one question of a burst of any port.
  bool any() const { return count_ != 0; }
  std::span<CaptureRing* const> of(uint16_t port) const {
    return port < rings_.size() ? std::span(rings_[port]) : std::span<CaptureRing* const>();
  }
  // Whether some copy has not been read.
  bool waiting() const {
    return any() && std::any_of(rings_.begin(), rings_.end(), [](const auto& rings) {
             return std::any_of(rings.begin(), rings.end(), [](const CaptureRing* ring) { return !ring->empty(); });
           });
  }

  // Configuration, between bursts. The ring stays its owner's.
  void add(uint16_t port, CaptureRing* ring) {
    if (rings_.size() <= port) rings_.resize(port + 1u);
    rings_[port].push_back(ring);
    ++count_;
  }
  void remove(uint16_t port, const CaptureRing* ring) {
    if (port < rings_.size()) count_ -= std::erase(rings_[port], ring);
  }
  void remove(uint16_t port) {
    if (port >= rings_.size()) return;
    count_ -= rings_[port].size();
    rings_[port].clear();
  }

 private:
  size_t count_ = 0;
  std::vector<std::vector<CaptureRing*>> rings_;  // by port
};

// Copies a burst that the port received, or is about to be handed, to all that capture there. Received packets have
// their own time, transmitted ones live the clock's. Checksums that are open are finished in the copy.
void mirror(const Burst& burst, uint16_t port, Direction direction, Context& context);

}  // namespace overlane
