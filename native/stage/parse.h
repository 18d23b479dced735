// parse: finds the headers of a frame. Reads nothing that it did not check for; malformed is a status, not a failure.
#pragma once

#include "core/counters.h"
#include "core/headers.h"
#include "core/packet.h"

namespace overlane {

// Any bytes at all.
Headers parse_frame(const uint8_t* frame, uint32_t length);
// The same without the short way for usual packets: for the test that both agree.
Headers parse_thoroughly(const uint8_t* frame, uint32_t length);

// Parses every packet; drops what has no whole Ethernet header and tags, counts what is broken above.
void parse(Burst& burst, Counters& counters);

const char* parse_status_name(ParseStatus status);

}  // namespace overlane
