// Ends ports in the background: taking away the interface of a TAP costs the kernel tens of milliseconds, which neither
// the packets of a worker nor the caller should wait for. One thread for all engines of the process.
#pragma once

#include <condition_variable>
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
  // Until what was taken by now is closed.
  void wait();

 private:
  void work();

  std::mutex mutex_;  // all below
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Port>> ports_;
  uint64_t taken_ = 0;
  uint64_t closed_ = 0;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace overlane
