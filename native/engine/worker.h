// A worker: a thread that polls the ports of its own dataplane in bursts, and sleeps while there is nothing to do.
//
// Every worker has a whole dataplane to itself: pools, counters, tables. Nothing on the packet path is shared, so
// nothing is locked and nothing is atomic; what the control plane changes is changed in each, between bursts.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/events.h"
#include "engine/dataplane.h"
#include "engine/exchange.h"
#include "engine/mailbox.h"
#include "net/netns.h"

namespace overlane {

struct WorkerOptions {
  int cpu = -1;    // to pin the thread to; -1: the system chooses
  Nanos spin = 0;  // how long to go on polling since the last burst began before sleeping, under load
};

class Worker {
 public:
  // notify: called from the worker's thread when there are events and were none before.
  Worker(uint32_t number, const DataplaneOptions& dataplane, const WorkerOptions& options,
         std::function<void()> notify);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Not while it is running, except from commands.
  Dataplane& dataplane() { return dataplane_; }
  EventRing& events() { return events_; }
  // Before start().
  void connect(NewsRing* to, NewsRing* from);
  // Puts what happened into the ring, and notifies. By the worker itself; by the caller while it is not running.
  void tell();
  // The reader is about to empty the ring: the next event is news again.
  // An exchange, so that whoever was not told again is seen to have written.
  void rearm() { signalled_.exchange(false, std::memory_order_acq_rel); }

  NetResult start();
  // Ends after the burst under way, and after the commands that were posted.
  void stop();
  bool running() const { return thread_.joinable(); }
  void post(Command* command);
  // What was posted, done now; by the caller while it is not running.
  void do_commands();
  // What the others told so far; from a command, or while stopped.
  void hear() { exchange_.hear(dataplane_); }

  // Bookkeeping of a port; from a command, or while stopped.
  void watch_port(uint16_t port);
  void unwatch_port(uint16_t port);

 private:
  struct Watched {
    bool used = false;
    bool ready = false;   // in ready_
    bool polled = false;  // has no descriptor that tells: ask it in every round
    std::vector<int> fds;
  };

  void close_descriptors();
  void loop();
  bool serve_round();
  int sleep_ms(Nanos now) const;
  bool wait(int timeout_ms);
  void attend(uint16_t port, int fd);
  void note_ready(uint16_t port);
  Nanos clock() const;

  uint32_t number_;
  WorkerOptions options_;
  std::function<void()> notify_;
  Dataplane dataplane_;
  EventRing events_;
  Mailbox mailbox_;
  Exchange exchange_;
  std::vector<Watched> watched_;  // by port
  std::vector<uint16_t> ready_;   // ports that may have packets
  std::vector<uint16_t> polled_;
  int epoll_ = -1;
  int wake_ = -1;    // eventfd
  Nanos epoch_ = 0;  // realtime less monotonic time
  std::atomic<bool> asleep_{false};
  std::atomic<bool> signalled_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace overlane
