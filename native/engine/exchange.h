// What workers tell each other of what they learned. Their tables are replicas: read at full speed by one thread each,
// brought together by these messages, which come a burst later than the packet that caused them. Until then a packet
// to a new station is flooded, as on any bridge.
#pragma once

#include <vector>

#include "engine/dataplane.h"
#include "table/news.h"

namespace overlane {

class Exchange {
 public:
  // Rings to and from every other worker.
  void connect(NewsRing* to, NewsRing* from) {
    to_.push_back(to);
    from_.push_back(from);
  }
  bool connected() const { return !to_.empty(); }
  // After a burst, before any change of configuration: places mean what they meant in the burst.
  void tell(Context& context);
  void hear(Dataplane& dataplane);

 private:
  std::vector<NewsRing*> to_;
  std::vector<NewsRing*> from_;
};

}  // namespace overlane
