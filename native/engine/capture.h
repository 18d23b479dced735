// A capture of one port: a ring of copies for every worker, and those who read them as one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/capture_ring.h"

namespace overlane {

class PortCapture {
 public:
  // bytes: of each worker's ring. Throws std::bad_alloc.
  PortCapture(uint16_t port, uint32_t workers, uint32_t snaplen, size_t bytes);

  uint16_t port() const { return port_; }
  CaptureRing* ring(uint32_t worker) { return rings_[worker].get(); }

  // The reader. look() sees what there is by now; take() gives the oldest of it, up to `count` copies and, but for the
  // first, `bytes` in all. They stay until release(). Copies of several workers are in order as far as they are there.
  void look();
  const std::vector<const CaptureRing::Record*>& take(size_t count, size_t bytes);
  void release();

  // Copies that found no room, so far.
  uint64_t lost() const;

 private:
  uint16_t port_;
  std::vector<std::unique_ptr<CaptureRing>> rings_;
  std::vector<const CaptureRing::Record*> taken_;
};

}  // namespace overlane
