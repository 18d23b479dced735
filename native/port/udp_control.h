// Control messages of what a socket sends.
#pragma once

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cstring>

#include "core/bytes.h"

namespace overlane {

// TOS or traffic class where it is not 0, and the stride of a train where there is one.
struct SendControl {
  alignas(cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t))];
  size_t each = 0;   // bytes for one datagram
  size_t whole = 0;  // for the train

  SendControl() = default;
  SendControl(bool v4, int tos, uint32_t stride) {
    if (tos != 0) each = put(0, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &tos, sizeof tos);
    whole = each;
    if (stride != 0) {
      const auto segment = static_cast<uint16_t>(stride);
      whole = put(each, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
    }
  }

 private:
  size_t put(size_t at, int level, int type, const void* value, size_t length) {
    cmsghdr header{};
    header.cmsg_len = CMSG_LEN(length);
    header.cmsg_level = level;
    header.cmsg_type = type;
    store(bytes + at, header);
    std::memcpy(bytes + at + CMSG_LEN(0), value, length);
    return at + CMSG_SPACE(length);
  }
};

}  // namespace overlane
