// What opening udp and esp sockets has in common.
#pragma once

#include <cstdint>
#include <string>

#include "core/ip_address.h"
#include "net/netns.h"

namespace overlane {

inline constexpr int kOn = 1;

bool set_option(int fd, int level, int option, int value);

// With CAP_NET_ADMIN as much as asked for, otherwise as much as the system grants.
void set_buffer(int fd, int forced, int limited, uint32_t bytes);

// TTL or hop limit, no fragments, and an error queue, for a socket that sends.
bool set_sending(int fd, bool v4, uint8_t ttl);

// Where a classic BPF program finds the last word of the source address.
uint32_t source_in_filter(bool v4);

// Throws away what came before a socket was as it should be.
void discard_received(int fd);

// What the interface with the address `local` of the current namespace says: `scope` is its index for a link-local
// address of IPv6, else 0; `mtu` is as given, or its own for 0. `netns` is for the message only.
NetResult find_local(const IpAddress& local, const std::string& netns, uint32_t& mtu, uint32_t& scope);

}  // namespace overlane
