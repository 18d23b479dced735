// TAPs in namespaces of their own.
#pragma once

#include "port/tap.h"
#include "stage/parse.h"
#include "test/check.h"
#include "test/frames.h"
#include "test/root.h"

namespace overlane::test {

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline TapPort::Options options_for(const Namespace& space) {
  TapPort::Options options;
  options.netns = space.path();
  options.name = "eth0";
  return options;
}

struct Tap {
  std::vector<std::unique_ptr<Port>> ports;
  LinkDetails link;
  NetResult result;
  explicit Tap(const TapPort::Options& options, uint32_t workers = 1, uint32_t owner = 0) {
    result = TapPort::open(options, workers, owner, ports, link);
  }
};

inline Packet* packet_of(Pools& pools, const Bytes& frame) {
  Packet* packet = pools.take(static_cast<uint32_t>(frame.size()));
  std::copy(frame.begin(), frame.end(), packet->data);
  packet->length = static_cast<uint32_t>(frame.size());
  packet->time = 0;
  packet->headers = parse_frame(packet->data, packet->length);
  return packet;
}

}  // namespace overlane::test
