// Opening an XDP port: what happens once, before there is one, and again when its interface comes back.
#include "port/xdp.h"

namespace overlane {

namespace {

constexpr uint32_t kFrameSizes[] = {2048, 4096};

}  // namespace

NetResult XdpPort::check_options() const {
  const Options& o = options_;
  const auto wrong = [](const std::string& what) { return NetResult{"ERR_OVERLANE_OPTION", what}; };
  if (o.queues == 0 || o.queues > 1024) return wrong("queues must be 1 to 1024, not " + std::to_string(o.queues));
  if (o.frames < 128 || o.frames > 131072 || (o.frames & (o.frames - 1)) != 0) {
    return wrong("frames must be a power of 2 from 128 to 131072, not " + std::to_string(o.frames));
  }
  if (o.frame_size != 0 && o.frame_size != 2048 && o.frame_size != 4096) {
    return wrong("the frame size must be 2048 or 4096 bytes, not " + std::to_string(o.frame_size));
  }
  if (o.generic && o.copy == XdpCopy::never) return wrong("the generic mode has no zero-copy: choose one of them");
  return {};
}

NetResult XdpPort::choose_frame_size(uint32_t mtu, uint32_t& frame_size) const {
  for (const uint32_t size : kFrameSizes) {
    if (options_.frame_size != 0 && options_.frame_size != size) continue;
    frame_size = size;
    if (mtu <= XdpSocket::largest_mtu(size)) return {};
  }
  const std::string most = std::to_string(XdpSocket::largest_mtu(frame_size));
  const std::string& name = options_.interface;
  return {options_.frame_size == kFrameSizes[0] ? "ERR_OVERLANE_OPTION" : "ERR_OVERLANE_UNSUPPORTED",
          "the MTU of " + name + " is " + std::to_string(mtu) + ", and frames of " + std::to_string(frame_size) +
              " bytes hold at most " + most + ": ip link set " + name + " mtu " + most + ", or use a packet port"};
}

// In the interface's namespace.
NetResult XdpPort::attach(Attachment& attachment, LinkDetails& link) const {
  const std::string& name = options_.interface;
  NetResult result = find_link(name, link);
  uint32_t frame_size = 0;
  if (result) result = choose_frame_size(link.mtu, frame_size);
  for (uint32_t i = 0; result && i < options_.queues; ++i) {
    attachment.queues.push_back(std::make_unique<Queue>());
    result = attachment.queues.back()->socket.open(options_.frames, frame_size);
  }
  if (result) result = attachment.program.attach(name, link.index, options_.queues, options_.generic);
  if (!result) return result;
  XdpCopy copy = options_.copy;
  if (!attachment.program.native()) {
    if (copy == XdpCopy::never) {
      return {"ERR_OVERLANE_UNSUPPORTED",
              "the driver of " + name + " has no XDP with its present settings, so no zero-copy: use zeroCopy auto"};
    }
    copy = XdpCopy::always;
  }
  for (uint32_t i = 0; result && i < options_.queues; ++i) {
    const XdpSocket& socket = attachment.queues[i]->socket;
    result = attachment.queues[i]->socket.bind(name, link.index, i, copy);
    if (result) result = attachment.program.redirect(i, socket.fd());
  }
  return result;
}

NetResult XdpPort::open(LinkDetails& link) {
  auto fresh = std::make_unique<Attachment>();
  NetResult result = check_options();
  if (result) result = in_namespace(options_.netns, [&] { return attach(*fresh, link); });
  if (!result) return result;
  // The old sockets live until here: epoll still knows them, so their numbers must not be those of the new ones.
  attachment_ = std::move(fresh);
  interface_index_ = link.index;
  turn_ = 0;
  return {};
}

std::string XdpPort::mode() const {
  return std::string(attachment_->program.native() ? "native, " : "generic, ") +
         (attachment_->queues.front()->socket.zero_copy() ? "zero-copy" : "copy");
}

NetResult open_xdp(const XdpPort::Options& options, uint32_t workers, uint32_t owner,
                   std::vector<std::unique_ptr<Port>>& ports, LinkDetails& link, std::string& mode) {
  ports.clear();
  if (owner >= workers) {
    return {"ERR_OVERLANE_OPTION",
            "there is no worker " + std::to_string(owner) + ": there are " + std::to_string(workers)};
  }
  auto port = std::make_unique<XdpPort>(options);
  NetResult opened = port->open(link);
  if (!opened) return opened;
  mode = port->mode();
  ports.resize(workers);
  ports[owner] = std::move(port);
  return {};
}

}  // namespace overlane
