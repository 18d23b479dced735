#include "net/link_monitor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "net/link_message.h"

namespace overlane {

namespace {

constexpr char kOwnNamespace[] = "/proc/thread-self/ns/net";
constexpr uint64_t kStop = 0;  // the key of the eventfd; namespaces begin with 1

LinkInfo info_of(const LinkDetails& details) {
  return {details.up ? LinkState::up : LinkState::down, details.index, details.mtu};
}

// What is known of an interface that is gone.
LinkInfo gone() {
  return {LinkState::gone, 0, 0};
}

bool same(const LinkInfo& a, const LinkInfo& b) {
  return a.state == b.state && a.index == b.index && a.mtu == b.mtu;
}

}  // namespace

LinkMonitor::~LinkMonitor() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    // An eventfd that nobody else writes takes it.
    while (write(stop_, &one, sizeof one) < 0 && errno == EINTR) continue;
    thread_.join();
  }
  if (epoll_ >= 0) close(epoll_);
  if (stop_ >= 0) close(stop_);
}

// With the first watch, so that who watches nothing pays nothing.
NetResult LinkMonitor::start() {
  if (thread_.joinable()) return {};
  if (epoll_ < 0) epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (stop_ < 0) stop_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kStop;
  if (epoll_ < 0 || stop_ < 0 || (epoll_ctl(epoll_, EPOLL_CTL_ADD, stop_, &event) != 0 && errno != EEXIST)) {
    return net_error(errno, "start watching interfaces");
  }
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::system_error& e) {
    return net_error(e.code().value(), "start a thread to watch interfaces");
  }
  return {};
}

// Finds the namespace among those that are open, or opens it.
NetResult LinkMonitor::enter(const std::string& netns, uint64_t& key) {
  auto space = std::make_unique<Space>();
  const NetResult opened = in_namespace(netns, [&]() -> NetResult {
    struct stat status {};
    if (stat(kOwnNamespace, &status) != 0) return net_error(errno, std::string("read ") + kOwnNamespace);
    space->device = status.st_dev;
    space->inode = status.st_ino;
    for (const auto& [open_key, open_space] : spaces_) {
      if (open_space->device != space->device || open_space->inode != space->inode) continue;
      key = open_key;
      return {};
    }
    key = next_key_++;
    const NetResult subscribed = space->changes.open(RTMGRP_LINK);
    return subscribed ? space->questions.open() : subscribed;
  });
  if (!opened || spaces_.count(key) != 0) return opened;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = key;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, space->changes.fd(), &event) != 0) {
    return net_error(errno, "watch the interfaces of " + netns);
  }
  spaces_[key] = std::move(space);
  return {};
}

void LinkMonitor::leave(uint64_t key) {
  if (spaces_[key]->watches == 0) spaces_.erase(key);  // closing the sockets ends their epoll registration
}

NetResult LinkMonitor::watch(uint16_t id, const std::string& netns, const std::string& name, LinkInfo& link) {
  const std::lock_guard lock(mutex_);
  if (watches_.count(id) != 0) {
    return {"ERR_OVERLANE_EXISTS", "interface " + std::to_string(id) + " is watched already: unwatch it first"};
  }
  if (!is_link_name(name)) return {"ERR_OVERLANE_OPTION", "\"" + name + "\" is no name of an interface"};
  NetResult result = start();
  uint64_t key = 0;
  if (result) result = enter(netns, key);
  if (!result) return result;
  // After subscribing: what changes in between is then told once more.
  LinkDetails details;
  const int error = ask_link(spaces_[key]->questions, 0, name, details);
  if (error != 0 && error != ENODEV) {
    leave(key);
    return net_error(error, "look up the interface " + name);
  }
  link = error == 0 ? info_of(details) : gone();
  watches_[id] = {key, name, link};
  ++spaces_[key]->watches;
  return {};
}

void LinkMonitor::unwatch(uint16_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = watches_.find(id);
  if (found == watches_.end()) return;
  const uint64_t key = found->second.space;
  watches_.erase(found);
  --spaces_[key]->watches;
  leave(key);
}

void LinkMonitor::work() {
  for (;;) {
    epoll_event events[16];
    const int count = epoll_wait(epoll_, events, 16, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == kStop) return;
      read_changes(events[i].data.u64);
    }
  }
}

void LinkMonitor::read_changes(uint64_t key) {
  const std::lock_guard lock(mutex_);
  const auto found = spaces_.find(key);
  if (found == spaces_.end()) return;  // unwatched since epoll_wait
  Space& space = *found->second;
  if (space.changes.receive([&](const nlmsghdr& message) { take(key, message); }) != 0) read_anew(key, space);
}

// Some changes were lost: the socket's buffer was full.
void LinkMonitor::read_anew(uint64_t key, Space& space) {
  for (auto& [id, watch] : watches_) {
    if (watch.space != key) continue;
    LinkDetails details;
    int error = watch.link.index != 0 ? ask_link(space.questions, watch.link.index, {}, details) : ENODEV;
    if (error == ENODEV) error = ask_link(space.questions, 0, watch.name, details);
    if (error == 0) report(id, watch, info_of(details));
    if (error == ENODEV) report(id, watch, gone());
  }
}

void LinkMonitor::take(uint64_t key, const nlmsghdr& message) {
  LinkDetails details;
  if (!read_link(message, details)) return;
  for (auto& [id, watch] : watches_) {
    if (watch.space != key) continue;
    const bool followed = watch.link.index != 0 && watch.link.index == details.index;
    if (message.nlmsg_type == RTM_DELLINK) {
      if (followed) report(id, watch, gone());
    } else if (followed || (watch.link.index == 0 && watch.name == details.name)) {
      report(id, watch, info_of(details));
    }
  }
}

void LinkMonitor::report(uint16_t id, Watch& watch, const LinkInfo& link) {
  if (same(watch.link, link)) return;
  watch.link = link;
  changed_(id, link);
}

}  // namespace overlane
