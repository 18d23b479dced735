// Ends ports in the background: taking away the interface of a TAP costs the kernel tens of milliseconds, which neither
// the packets of a worker nor the caller should wait for. Several at a time share most of that. A few threads for all
// engines of the process.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "port/port.h"

namespace overlane {

class Closer {
 public:
  // The one of the process, for as long as somebody holds it.
  static std::shared_ptr<Closer> shared();
  // After everything has been closed.
  ~Closer();
  Closer() = default;
  Closer(const Closer&) = delete;
  Closer& operator=(const Closer&) = delete;

  // Destroys them soon. Any thread, and so is wait().
  void take(std::vector<std::unique_ptr<Port>> ports);
  // Until nothing is left to be closed.
  void wait();

 private:
  void work();

  std::mutex mutex_;  // all below
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Port>> ports_;
  size_t closing_ = 0;  // taken out of ports_, not closed yet
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace overlane
