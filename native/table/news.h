// What a worker learned from traffic and the others should know, too: each has tables of its own.
#pragma once

#include <cstdint>
#include <vector>

#include "core/ip_address.h"
#include "core/packet.h"
#include "core/ring.h"
#include "wire/ethernet.h"

namespace overlane {

struct News {
  enum class Kind : uint16_t {
    station,   // in domain `space`, `mac` is at `place`
    neighbor,  // in domain `space`, `ip` has `mac`
    next_hop,  // on underlay `space`, `ip` has `mac`
  };
  Kind kind = Kind::station;
  uint16_t space = 0;
  Place place = kNowhere;
  Mac mac = 0;
  IpAddress ip;
};

// News of one burst or so. What does not fit is forgotten, and learned by the others themselves.
class NewsList {
 public:
  static constexpr size_t kMax = 1024;

  // Until then nothing is kept: a single worker has nobody to tell.
  void enable() {
    enabled_ = true;
    list_.reserve(kMax);
  }
  bool enabled() const { return enabled_; }
  void add(const News& news) {
    if (enabled_ && list_.size() < kMax) list_.push_back(news);
  }
  const std::vector<News>& list() const { return list_; }
  void clear() { list_.clear(); }

 private:
  bool enabled_ = false;
  std::vector<News> list_;
};

using NewsRing = Ring<News, 4096>;  // from one worker to one other

}  // namespace overlane
