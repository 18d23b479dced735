// The way of a burst: from the port that received it, through the stages, to the ports that transmit it.
#pragma once

#include "stage/context.h"

namespace overlane {

// Takes over a burst received on `port`; everything has left when it returns.
void carry(Burst& burst, uint16_t port, Context& context);

}  // namespace overlane
