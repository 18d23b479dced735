// vxlan_decap: from outer frames to inner ones. Only for a local VTEP, with the I flag, of a known VNI, from a VTEP
// that the control plane named for that VNI.
#pragma once

#include "stage/context.h"

namespace overlane {

// In: parsed outer frames received on `carrier`. Out: inner frames, not yet parsed, with domain and source place.
void vxlan_decap(Burst& burst, uint16_t carrier, Context& context);

}  // namespace overlane
