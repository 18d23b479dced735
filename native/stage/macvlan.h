// macvlan: containers with MACs of their own share the link of a parent, the uplink. Who has which MAC is configured, as
// static entries of the FDB, and nothing is learned.
//
// Modes, as the driver of Linux has them: *bridge*, containers reach each other directly; *vepa*, only by way of a
// switch that sends frames back (IEEE 802.1Qbg); *private*, not at all; *passthru*, there is one, which has the link for
// itself, with any MAC.
#pragma once

#include "stage/context.h"

namespace overlane {

// Takes the whole burst over: parsed packets of one place, in one domain.
void macvlan(Burst& burst, Context& context);

}  // namespace overlane
