#include "engine/capture.h"

namespace overlane {

PortCapture::PortCapture(uint16_t port, uint32_t workers, uint32_t snaplen, size_t bytes) : port_(port) {
  for (uint32_t i = 0; i < workers; ++i) rings_.push_back(std::make_unique<CaptureRing>(bytes, snaplen));
}

void PortCapture::look() {
  for (auto& ring : rings_) ring->look();
}

const std::vector<const CaptureRing::Record*>& PortCapture::take(size_t count, size_t bytes) {
  taken_.clear();
  for (size_t used = 0; taken_.size() < count;) {
    CaptureRing* from = nullptr;
    const CaptureRing::Record* oldest = nullptr;
    for (auto& ring : rings_) {
      const CaptureRing::Record* next = ring->next();
      if (next == nullptr || (oldest != nullptr && oldest->time <= next->time)) continue;
      oldest = next;
      from = ring.get();
    }
    if (oldest == nullptr || (!taken_.empty() && used + oldest->length > bytes)) break;
    used += oldest->length;
    taken_.push_back(oldest);
    from->advance();
  }
  return taken_;
}

void PortCapture::release() {
  for (auto& ring : rings_) ring->release();
}

uint64_t PortCapture::lost() const {
  uint64_t sum = 0;
  for (const auto& ring : rings_) sum += ring->lost();
  return sum;
}

}  // namespace overlane
