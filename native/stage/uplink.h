// What macvlan and ipvlan share: containers that reach the outside through one parent, the uplink. Nothing is learned.
#pragma once

#include "stage/context.h"

namespace overlane {

// Takes the packet over: to that place, or dropped where there is none.
void to_place(Packet* packet, uint16_t place, Context& context);

enum class FloodTo : uint8_t { containers, everybody };
// Takes the packet over: copies for the containers, and for the uplink; never back to where it came from.
void flood_network(Packet* packet, FloodTo to, Context& context);

}  // namespace overlane
