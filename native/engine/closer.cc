#include "engine/closer.h"

#include <pthread.h>
#include <signal.h>

#include <system_error>

namespace overlane {

namespace {

constexpr size_t kThreads = 8;  // 36 ms for a TAP alone, 15 ms for each of many

}  // namespace

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
  for (std::thread& thread : threads_) thread.join();
}

void Closer::take(std::vector<std::unique_ptr<Port>> ports) {
  const std::lock_guard lock(mutex_);
  for (auto& port : ports) ports_.push_back(std::move(port));
  try {
    while (threads_.size() < kThreads && threads_.size() < ports_.size() + closing_) {
      threads_.emplace_back([this] { work(); });
    }
  } catch (const std::system_error&) {
    if (threads_.empty()) ports_.clear();  // no thread to be had: here and now
  }
  changed_.notify_all();
}

void Closer::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ports_.empty() && closing_ == 0; });
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
    std::unique_ptr<Port> port = std::move(ports_.front());
    ports_.pop_front();
    ++closing_;
    lock.unlock();
    port.reset();
    lock.lock();
    if (--closing_ == 0 && ports_.empty()) changed_.notify_all();
  }
}

}  // namespace overlane
