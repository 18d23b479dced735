// Watches interfaces in any number of network namespaces: one thread, one rtnetlink subscription a namespace.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "net/link.h"
#include "net/netlink.h"
#include "port/port.h"

namespace overlane {

class LinkMonitor {
 public:
  // Called on the monitor's thread when state, index or MTU of a watched interface changed; one call at a time. It
  // must be short, must not throw and must not call the monitor.
  using Changed = std::function<void(uint16_t id, const LinkInfo& link)>;

  explicit LinkMonitor(Changed changed) : changed_(std::move(changed)) {}
  // Stops within milliseconds; nothing is called afterwards.
  ~LinkMonitor();
  LinkMonitor(const LinkMonitor&) = delete;
  LinkMonitor& operator=(const LinkMonitor&) = delete;

  // From now on reports the interface `name` of the namespace at `netns` (empty: the caller's) as `id`; `link`: what it
  // is now, perhaps gone. It is followed through renames; when it is gone, the next one called `name` takes its place.
  // An open namespace lives on: unwatch before it is meant to disappear. Any thread.
  // Codes: ERR_OVERLANE_EXISTS (the id is in use), those of in_namespace, ERR_OVERLANE_SYSTEM.
  NetResult watch(uint16_t id, const std::string& netns, const std::string& name, LinkInfo& link);
  // Nothing is reported for `id` after this returns. Unknown ids are ignored. Any thread.
  void unwatch(uint16_t id);

 private:
  struct Watch {
    uint64_t space = 0;
    std::string name;
    LinkInfo link;
  };
  // A namespace: `changes` subscribes, `questions` asks.
  struct Space {
    uint64_t device = 0;  // with `inode`: which namespace it is, however its path is written
    uint64_t inode = 0;
    uint32_t watches = 0;
    Netlink changes;
    Netlink questions;
  };

  NetResult start();
  NetResult enter(const std::string& netns, uint64_t& key);
  void leave(uint64_t key);
  void work();
  void read_changes(uint64_t key);
  void read_anew(uint64_t key, Space& space);
  void take(uint64_t key, const nlmsghdr& message);
  void report(uint16_t id, Watch& watch, const LinkInfo& link);

  Changed changed_;
  std::mutex mutex_;  // all below but the descriptors, which are set before the thread starts
  std::map<uint16_t, Watch> watches_;
  std::map<uint64_t, std::unique_ptr<Space>> spaces_;
  uint64_t next_key_ = 1;
  int epoll_ = -1;
  int stop_ = -1;
  std::thread thread_;
};

}  // namespace overlane
