#include "engine/closer.h"

#include <pthread.h>
#include <signal.h>

#include <system_error>

namespace overlane {

std::shared_ptr<Closer> Closer::shared() {
  static std::mutex mutex;
  static std::weak_ptr<Closer> of_process;
  const std::lock_guard lock(mutex);
  std::shared_ptr<Closer> closer = of_process.lock();
  if (!closer) of_process = closer = std::make_shared<Closer>();
  return closer;
}

Closer::~Closer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Closer::take(std::vector<std::unique_ptr<Port>> ports) {
  const std::lock_guard lock(mutex_);
  try {
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  } catch (const std::system_error&) {
    return;  // no thread to be had: they end here and now
  }
  for (auto& port : ports) ports_.push_back(std::move(port));
  taken_ += ports.size();
  changed_.notify_all();
}

void Closer::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this, until = taken_] { return closed_ >= until; });
}

void Closer::work() {
  pthread_setname_np(pthread_self(), "overlane/closer");
  sigset_t all;  // signals are the main thread's
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || !ports_.empty(); });
    if (ports_.empty()) return;
    std::vector<std::unique_ptr<Port>> ports = std::move(ports_);
    ports_.clear();
    lock.unlock();
    const size_t count = ports.size();
    ports.clear();
    lock.lock();
    closed_ += count;
    changed_.notify_all();
  }
}

}  // namespace overlane
