#include "engine/engine.h"

#include <algorithm>
#include <exception>

namespace overlane {

Engine::Engine(const DataplaneOptions& dataplane, const std::vector<WorkerOptions>& workers,
               std::function<void()> notify)
    : manual_(workers.empty()), notify_(std::move(notify)) {
  if (manual_) {
    workers_.push_back(std::make_unique<Worker>(0, dataplane, WorkerOptions{}, notify_));
  }
  for (uint32_t i = 0; i < workers.size(); ++i) {
    workers_.push_back(std::make_unique<Worker>(i, dataplane, workers[i], notify_));
    for (uint32_t other = 0; other < i; ++other) {
      NewsRing* to = rings_.emplace_back(std::make_unique<NewsRing>()).get();
      NewsRing* from = rings_.emplace_back(std::make_unique<NewsRing>()).get();
      workers_[i]->connect(to, from);
      workers_[other]->connect(from, to);
    }
  }
}

Engine::~Engine() {
  stop();
  std::vector<std::unique_ptr<Port>> slow;
  for (auto& worker : workers_) worker->dataplane().give_slow_ports(slow);
  closer_->take(std::move(slow));
  wait_for_removed();
}

NetResult Engine::start() {
  for (auto& worker : workers_) {
    NetResult started = worker->start();
    if (!started) {
      for (auto& other : workers_) other->stop();
      return started;
    }
  }
  running_ = true;
  return {};
}

void Engine::stop() {
  monitor_.reset();
  for (auto& worker : workers_) worker->stop();
  running_ = false;
}

void Engine::change(const std::function<void(Dataplane&, uint32_t)>& work) {
  do_in(0, worker_count(), work);
}

void Engine::ask(uint32_t worker, const std::function<void(Dataplane&)>& work) {
  do_in(worker, 1, [&](Dataplane& dataplane, uint32_t) { work(dataplane); });
}

void Engine::do_in(uint32_t first, uint32_t count, const std::function<void(Dataplane&, uint32_t)>& work) {
  std::vector<Command> commands(count);
  std::vector<std::exception_ptr> failures(count);
  pending_.store(count, std::memory_order_relaxed);
  for (uint32_t i = 0; i < count; ++i) {
    Worker& worker = *workers_[first + i];
    auto run = [&, i](Dataplane& dataplane) {
      try {
        work(dataplane, first + i);
      } catch (...) {
        failures[i] = std::current_exception();
      }
    };
    if (!worker.running()) {
      worker.do_commands();
      run(worker.dataplane());
      pending_.fetch_sub(1, std::memory_order_relaxed);
      continue;
    }
    commands[i].run = run;
    commands[i].done = [this] {
      if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
    };
    worker.post(&commands[i]);
  }
  while (const uint32_t left = pending_.load(std::memory_order_acquire)) {
    pending_.wait(left, std::memory_order_acquire);
  }
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

void Engine::free_removed(size_t count) {
  const auto end = removed_.begin() + static_cast<std::ptrdiff_t>(count);
  free_.insert(free_.end(), removed_.begin(), end);
  removed_.erase(removed_.begin(), end);
}

bool Engine::has_room() {
  const bool told = link_events_.empty() && std::all_of(workers_.begin(), workers_.end(),
                                                        [](const auto& worker) { return worker->events().empty(); });
  if (told) free_removed(removed_.size());
  return !free_.empty() || plan().port_count() < Dataplane::kMaxPorts;
}

uint16_t Engine::add_port(std::vector<std::unique_ptr<Port>> ports, uint32_t mtu) {
  uint16_t index = Dataplane::kMaxPorts;
  if (has_room() && !free_.empty()) {
    index = free_.back();
    free_.pop_back();
  }
  const uint16_t at = index;
  change([&](Dataplane& dataplane, uint32_t worker) {
    const uint16_t added = dataplane.add_port(std::move(ports[worker]), mtu, at);
    workers_[worker]->watch_port(added);
    if (worker == 0) index = added;
  });
  return index;
}

void Engine::remove_port(uint16_t port, bool keep) {
  if (monitor_) monitor_->unwatch(port);
  std::vector<std::unique_ptr<Port>> ports(worker_count());
  change([&](Dataplane& dataplane, uint32_t worker) {
    workers_[worker]->tell();  // what is about this port must not come later
    workers_[worker]->unwatch_port(port);
    ports[worker] = dataplane.remove_port(port);
  });
  if (worker_count() > 1) change([&](Dataplane&, uint32_t worker) { workers_[worker]->hear(); });
  removed_.push_back(port);
  for (const auto& ended : ports) {
    if (!keep) ended->discard();
  }
  if (ports.front()->ends_slowly()) closer_->take(std::move(ports));
}

uint32_t Engine::add_capture(uint16_t port, uint32_t snaplen, size_t bytes) {
  auto made = std::make_unique<PortCapture>(port, worker_count(), snaplen, bytes);
  const auto free = std::find(captures_.begin(), captures_.end(), nullptr);
  const auto number = static_cast<uint32_t>(free - captures_.begin());
  PortCapture& added = free == captures_.end() ? *captures_.emplace_back(std::move(made)) : *(*free = std::move(made));
  change([&](Dataplane& dataplane, uint32_t worker) { dataplane.add_mirror(port, added.ring(worker)); });
  return number;
}

void Engine::stop_capture(uint32_t number) {
  PortCapture& stopped = *captures_[number];
  change([&](Dataplane& dataplane, uint32_t worker) { dataplane.remove_mirror(stopped.port(), stopped.ring(worker)); });
}

void Engine::remove_capture(uint32_t number) {
  stop_capture(number);
  captures_[number].reset();
}

NetResult Engine::watch_link(uint16_t port, const std::string& netns, const std::string& interface) {
  if (!monitor_) {
    monitor_ = std::make_unique<LinkMonitor>([this](uint16_t id, const LinkInfo& link) { link_changed(id, link); });
  }
  LinkInfo now;
  return monitor_->watch(port, netns, interface, now);
}

// In the monitor's thread.
void Engine::link_changed(uint16_t index, const LinkInfo& link) {
  for (auto& worker : workers_) {
    auto* command = new Command;
    command->run = [index, link, to = worker.get()](Dataplane& dataplane) {
      Port* port = dataplane.port(index);
      if (port == nullptr) return;
      port->link_changed(link);
      if (link.state == LinkState::gone) return;
      dataplane.set_mtu(index, link.mtu);
      to->watch_port(index);  // its descriptors may be others now
    };
    command->done = [command] { delete command; };
    worker->post(command);
  }
  if (link_events_.push({EventKind::link, link.state, index, 0, link.mtu, {}, 0})) notify_();
}

void Engine::take_events(const std::function<void(const Event&)>& visit) {
  const size_t removed = removed_.size();
  Event event;
  while (link_events_.pop(event)) visit(event);
  for (auto& worker : workers_) {
    if (!worker->running()) worker->tell();
    worker->rearm();
    while (worker->events().pop(event)) visit(event);
  }
  free_removed(removed);
}

}  // namespace overlane
