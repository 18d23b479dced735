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
  bool any() const { return !all_.empty(); }
  std::span<CaptureRing* const> of(uint16_t port) const {
    return port < rings_.size() ? std::span(rings_[port]) : std::span<CaptureRing* const>();
  }
  // Whether some copy has not been read.
  bool waiting() const {
    return std::any_of(all_.begin(), all_.end(), [](const CaptureRing* ring) { return !ring->empty(); });
  }

  // Configuration, between bursts. The ring stays its owner's.
  void add(uint16_t port, CaptureRing* ring) {
    if (rings_.size() <= port) rings_.resize(port + 1u);
    rings_[port].push_back(ring);
    all_.push_back(ring);
  }
  void remove(uint16_t port, const CaptureRing* ring) {
    if (port < rings_.size() && std::erase(rings_[port], ring) > 0) std::erase(all_, ring);
  }
  void remove(uint16_t port) {
    while (!of(port).empty()) remove(port, of(port).front());
  }

 private:
  std::vector<CaptureRing*> all_;
  std::vector<std::vector<CaptureRing*>> rings_;  // by port
};

// Copies a burst that the port received, or is about to be handed, to all that capture there. Received packets have
// their own time, transmitted ones live the clock's. Checksums that are open are finished in the copy.
void mirror(const Burst& burst, uint16_t port, Direction direction, Context& context);

}  // namespace overlane
