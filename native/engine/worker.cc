#include "engine/worker.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "engine/pace.h"

namespace overlane {

namespace {

constexpr uint32_t kWake = UINT32_MAX;
constexpr int kEvents = 64;
constexpr int kHousekeepingMs = 1000;

// What epoll hands back: a descriptor, the port it belongs to, and whether it has packets.
uint64_t token(uint32_t port, int fd, bool input) {
  return uint64_t{port & 0x7fffffff} << 32 | uint64_t{input} << 63 | static_cast<uint32_t>(fd);
}

Nanos read_clock(clockid_t id) {
  timespec now;
  clock_gettime(id, &now);
  return Nanos{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

bool may_run_on(int cpu) {
  cpu_set_t allowed;
  return cpu < 0 ||
         (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_ISSET(static_cast<unsigned>(cpu), &allowed));
}

// For the calling thread: its name, its CPU, and no signals, which are the main thread's.
void settle(uint32_t number, int cpu) {
  pthread_setname_np(pthread_self(), ("overlane/" + std::to_string(number)).c_str());
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  // A worker that is woken does not push aside the one that woke it: both do more at a time. Not a matter of privilege.
  const sched_param ordinary{};
  sched_setscheduler(0, SCHED_BATCH, &ordinary);
  if (cpu < 0) return;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<unsigned>(cpu), &cpus);
  pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
}

}  // namespace

Worker::Worker(uint32_t number, const DataplaneOptions& dataplane, const WorkerOptions& options,
               std::function<void()> notify)
    : number_(number), options_(options), notify_(std::move(notify)), dataplane_(dataplane) {
  epoch_ = read_clock(CLOCK_REALTIME) - read_clock(CLOCK_MONOTONIC);
}

Worker::~Worker() {
  stop();
  do_commands();  // nobody else will, and they have to be given back
}

Nanos Worker::clock() const {
  return epoch_ + read_clock(CLOCK_MONOTONIC);
}

NetResult Worker::start() {
  if (!may_run_on(options_.cpu)) {
    return {"ERR_OVERLANE_OPTION", "worker " + std::to_string(number_) + " cannot be pinned to CPU " +
                                       std::to_string(options_.cpu) + ": this process may not run there"};
  }
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (epoll_ < 0 || wake_ < 0) {
    NetResult failed = net_error(errno, "start a worker");
    close_descriptors();
    return failed;
  }
  epoll_event event{EPOLLIN, {}};
  event.data.u64 = token(kWake, wake_, true);
  epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
  for (uint16_t i = 0; i < dataplane_.port_count(); ++i) {
    if (dataplane_.port(i) != nullptr) watch_port(i);
  }
  stopping_.store(false);
  thread_ = std::thread([this] { loop(); });
  return {};
}

void Worker::stop() {
  if (!running()) return;
  Command last{[this](Dataplane&) { stopping_.store(true, std::memory_order_relaxed); }, nullptr, nullptr};
  post(&last);
  thread_.join();
  for (uint16_t i = 0; i < watched_.size(); ++i) unwatch_port(i);
  close_descriptors();
}

void Worker::close_descriptors() {
  for (int* fd : {&epoll_, &wake_}) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
}

void Worker::connect(NewsRing* to, NewsRing* from) {
  exchange_.connect(to, from);
  dataplane_.context().news.enable();
}

void Worker::post(Command* command) {
  mailbox_.post(command);
  // Pairs with the fence in wait(): either it sees the command, or we see it asleep.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (asleep_.load(std::memory_order_relaxed)) {
    const uint64_t one = 1;
    (void)!write(wake_, &one, sizeof one);
  }
}

void Worker::watch_port(uint16_t index) {
  unwatch_port(index);
  if (watched_.size() <= index) watched_.resize(index + 1u);
  Watched& watched = watched_[index];
  Port* port = dataplane_.port(index);
  port->report_to(&events_, index);
  port->count_lost_events(dataplane_.context().counters.port(index));  // of link_changed()
  watched = {true, false, true, {}};
  if (epoll_ < 0) return;
  for (const Port::Descriptor& descriptor : port->descriptors()) {
    epoll_event event{descriptor.input ? EPOLLIN : 0u, {}};
    event.data.u64 = token(index, descriptor.fd, descriptor.input);
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor.fd, &event) != 0) continue;
    watched.fds.push_back(descriptor.fd);
    watched.polled &= !descriptor.input;
  }
  if (watched.polled) polled_.push_back(index);
}

void Worker::unwatch_port(uint16_t index) {
  if (index >= watched_.size()) return;
  for (int fd : watched_[index].fds) epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  watched_[index] = {};
  for (auto* list : {&ready_, &polled_}) list->erase(std::remove(list->begin(), list->end(), index), list->end());
}

void Worker::note_ready(uint16_t port) {
  if (port >= watched_.size() || !watched_[port].used || watched_[port].ready) return;
  // Readable, and yet nothing will come: it failed when it was read. What it no longer lists is let go.
  if (dataplane_.port(port)->next_due() == kNever) return watch_port(port);
  watched_[port].ready = true;
  ready_.push_back(port);
}

void Worker::do_commands() {
  for (Command* command = mailbox_.take(); command != nullptr;) {
    Command* next = command->next;
    command->run(dataplane_);
    // Moved out, because its command is gone as soon as somebody knows that it is done.
    if (const auto done = std::move(command->done)) done();
    command = next;
  }
}

// One burst of every port that may have one. False: there was none.
bool Worker::serve_round() {
  bool any = false;
  for (uint16_t port : polled_) {
    bool more;
    if (dataplane_.port(port)->next_due() != kNever) any |= dataplane_.serve(port, more) > 0;
  }
  size_t kept = 0;
  for (size_t i = 0; i < ready_.size(); ++i) {
    const uint16_t port = ready_[i];
    bool more;
    any |= dataplane_.serve(port, more) > 0;
    if (more) {
      ready_[kept++] = port;
    } else {
      watched_[port].ready = false;  // epoll says when there is more
    }
  }
  ready_.resize(kept);
  return any;
}

// False when the time ran out.
bool Worker::wait(int timeout_ms) {
  const bool idle = timeout_ms != 0;
  epoll_event events[kEvents];
  if (timeout_ms != 0) {
    asleep_.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!mailbox_.empty()) timeout_ms = 0;
  }
  const int count = epoll_wait(epoll_, events, kEvents, timeout_ms);
  asleep_.store(false, std::memory_order_relaxed);
  for (int i = 0; i < count; ++i) {
    const uint64_t data = events[i].data.u64;
    const auto fd = static_cast<int>(data & UINT32_MAX);
    const auto port = static_cast<uint32_t>(data >> 32 & 0x7fffffff);
    if (port == (kWake & 0x7fffffff)) {
      uint64_t ignored;
      (void)!read(fd, &ignored, sizeof ignored);
    } else if (data >> 63 && events[i].events & EPOLLIN) {
      note_ready(static_cast<uint16_t>(port));
    } else {
      attend(static_cast<uint16_t>(port), fd);
    }
  }
  return count > 0 || !idle;
}

// A descriptor that is in trouble, or has something else than packets. One that is beyond help, as its port tells, is
// let go, or it would be in trouble for ever.
void Worker::attend(uint16_t index, int fd) {
  Port* port = dataplane_.port(index);
  if (port == nullptr) return;
  port->attend(fd, dataplane_.now());
  port->count_lost_events(dataplane_.context().counters.port(index));
  for (const Port::Descriptor& descriptor : port->descriptors()) {
    if (descriptor.fd == fd) return;
  }
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

// What happened goes to the control plane, and word that captures have copies.
void Worker::tell() {
  Context& context = dataplane_.context();
  context.misses.take_each([&](const Miss& miss) {
    const Event event{EventKind::miss, LinkState::up, miss.port, miss.domain, 0, miss.ip, miss.time};
    if (!events_.push(event)) context.counters.port(miss.port).add(Counter::event_lost);
  });
  context.associations.take_alerts([&](const AlertNote& note) {
    const uint16_t port = context.underlays[note.underlay].carrier;
    const Event event{EventKind::alert, LinkState::up, port,        0,
                      note.keyring,     note.peer,     context.now, static_cast<uint8_t>(note.alert)};
    if (!events_.push(event)) context.counters.port(port).add(Counter::event_lost);
  });
  if ((!events_.empty() || context.mirrors.waiting()) && !signalled_.exchange(true, std::memory_order_acq_rel))
    notify_();
}

// How long there will be nothing to do unless something comes.
int Worker::sleep_ms(Nanos now) const {
  const Nanos due = dataplane_.next_timer();
  if (due == kNever) return kHousekeepingMs;
  return static_cast<int>(std::clamp<Nanos>((due - now) / 1'000'000 + 1, 0, kHousekeepingMs));
}

void Worker::loop() {
  settle(number_, options_.cpu);
  Pace pace(options_.spin, clock());
  for (;;) {
    if (!mailbox_.empty()) do_commands();
    if (stopping_.load(std::memory_order_relaxed)) break;  // here, or an idle worker would sleep once more
    const Nanos now = clock();
    dataplane_.set_clock(now);
    exchange_.hear(dataplane_);
    dataplane_.timers();
    if (serve_round()) pace.burst(now);
    exchange_.tell(dataplane_.context());
    tell();
    const bool spins = !ready_.empty() || pace.spins(now);
    const bool input = std::any_of(polled_.begin(), polled_.end(),
                                   [&](uint16_t port) { return dataplane_.port(port)->next_due() != kNever; });
    if (!wait(spins || input ? 0 : sleep_ms(now))) dataplane_.idle();
  }
  do_commands();
}

}  // namespace overlane
