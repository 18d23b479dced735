// bridge: learns sources, looks up destinations, forwards or floods.
#pragma once

#include "stage/context.h"

namespace overlane {

// Takes the whole burst over. Every packet has been parsed and has its domain, its source place and its ingress port.
void bridge(Burst& burst, Context& context);

// A copy of the packet goes there; counted when there is no buffer for it.
void send_copy(const Packet& packet, Place to, Context& context);

}  // namespace overlane
