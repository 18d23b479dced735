// The engine: the workers of one dataplane, seen from the control plane as one. Without workers it is in manual mode:
// one dataplane, which the caller runs.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "engine/capture.h"
#include "engine/closer.h"
#include "engine/worker.h"
#include "net/link_monitor.h"

namespace overlane {

class Engine {
 public:
  // workers empty: manual mode. notify: called from any thread when there are events to be taken.
  Engine(const DataplaneOptions& dataplane, const std::vector<WorkerOptions>& workers, std::function<void()> notify);
  ~Engine();

  bool manual() const { return manual_; }
  bool running() const { return running_; }
  uint32_t worker_count() const { return static_cast<uint32_t>(workers_.size()); }

  NetResult start();
  void stop();

  // Does the same in every worker's dataplane, between bursts, and waits for it. All dataplanes go through the same
  // changes in the same order, so indices agree. An exception of `work` is thrown here.
  void change(const std::function<void(Dataplane&, uint32_t worker)>& work);
  // The same in one worker only.
  void ask(uint32_t worker, const std::function<void(Dataplane&)>& work);
  // The configuration, which workers only read: for the thread that calls change().
  Dataplane& plan() { return workers_.front()->dataplane(); }

  // False: no index is left for another port.
  bool has_room();
  // ports: one for each worker.
  uint16_t add_port(std::vector<std::unique_ptr<Port>> ports, uint32_t mtu);
  // keep: what it made and what would outlive it, a persistent TAP, stays. One that ends slowly does so afterwards, in
  // the background. The index is used again when nothing under way can name it any more.
  void remove_port(uint16_t port, bool keep = false);
  // Until all ports that were removed have ended.
  void wait_for_removed() { closer_->wait(); }
  // Copies of what the port receives and transmits, cut to snaplen; at most so many bytes a worker wait. The number
  // that the capture has until remove_capture(). Throws std::bad_alloc.
  uint32_t add_capture(uint16_t port, uint32_t snaplen, size_t bytes);
  // Nothing more is copied; what waits stays. The end of its port does the same.
  void stop_capture(uint32_t capture);
  void remove_capture(uint32_t capture);
  // nullptr: there is none.
  PortCapture* capture(uint32_t capture) { return capture < captures_.size() ? captures_[capture].get() : nullptr; }

  // Reports what becomes of the interface, as events and to the port.
  NetResult watch_link(uint16_t port, const std::string& netns, const std::string& interface);

  // The oldest events of every worker; false when there are none.
  void take_events(const std::function<void(const Event&)>& visit);

 private:
  void do_in(uint32_t first, uint32_t count, const std::function<void(Dataplane&, uint32_t)>& work);
  void link_changed(uint16_t port, const LinkInfo& link);
  void free_removed(size_t count);

  bool manual_;
  bool running_ = false;
  std::atomic<uint32_t> pending_{0};  // workers that have yet to do what change() waits for
  std::function<void()> notify_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<NewsRing>> rings_;  // between any two workers, both ways
  EventRing link_events_;
  std::vector<std::unique_ptr<PortCapture>> captures_;  // nullptr: a free number
  std::vector<uint16_t> removed_;                       // indices of ports that events may still name
  std::vector<uint16_t> free_;                          // and those that none does
  std::shared_ptr<Closer> closer_ = Closer::shared();
  std::unique_ptr<LinkMonitor> monitor_;  // last: its thread posts to the workers
};

}  // namespace overlane
