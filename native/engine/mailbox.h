// Work that other threads leave for a worker, to be done between bursts. Many writers, one reader, no lock: the reader
// looks with one relaxed load.
#pragma once

#include <atomic>
#include <functional>

namespace overlane {

class Dataplane;

struct Command {
  std::function<void(Dataplane&)> run;
  std::function<void()> done;  // called last, by the worker; the command may be gone after it
  Command* next = nullptr;
};

class Mailbox {
 public:
  bool empty() const { return head_.load(std::memory_order_relaxed) == nullptr; }

  void post(Command* command) {
    Command* head = head_.load(std::memory_order_relaxed);
    do {
      command->next = head;
    } while (!head_.compare_exchange_weak(head, command, std::memory_order_release, std::memory_order_relaxed));
  }

  // Takes everything, oldest first.
  Command* take() {
    Command* newest = head_.exchange(nullptr, std::memory_order_acquire);
    Command* oldest = nullptr;
    while (newest != nullptr) {
      Command* next = newest->next;
      newest->next = oldest;
      oldest = newest;
      newest = next;
    }
    return oldest;
  }

 private:
  std::atomic<Command*> head_{nullptr};
};

}  // namespace overlane
