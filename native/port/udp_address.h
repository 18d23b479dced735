// IpAddress to and from the kernel's socket addresses.
#pragma once

#include <netinet/in.h>

#include "core/ip_address.h"

namespace overlane {

// One of either family; `length` says how much of it there is.
struct SocketAddress {
  union {
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr any;
  };
  socklen_t length;
};

// scope: index of the interface, for link-local addresses of IPv6.
inline SocketAddress socket_address(const IpAddress& ip, uint16_t port, uint32_t scope) {
  SocketAddress address{};
  if (ip.is_v4()) {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons(port);
    ip.write(reinterpret_cast<uint8_t*>(&address.v4.sin_addr));
    address.length = sizeof address.v4;
  } else {
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(port);
    address.v6.sin6_scope_id = scope;
    ip.write(reinterpret_cast<uint8_t*>(&address.v6.sin6_addr));
    address.length = sizeof address.v6;
  }
  return address;
}

inline IpAddress ip_of(const SocketAddress& address) {
  if (address.any.sa_family == AF_INET) return IpAddress::v4(reinterpret_cast<const uint8_t*>(&address.v4.sin_addr));
  return IpAddress::v6(reinterpret_cast<const uint8_t*>(&address.v6.sin6_addr));
}

}  // namespace overlane
