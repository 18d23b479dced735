// What an engine costs by itself: the bench's floor under everything that is done around it.
#pragma once

#include "crypto/aead.h"

namespace overlane {

// Nanoseconds a packet of `length` bytes: one key, a new nonce each, tags of 16 bytes, everything in the cache; sealed
// in place, or opened. Runs for about 20 ms. key_bits: 128 or 256; length: at most 65,535. Negative: the engine cannot
// be used here.
double aead_ns(AeadEngine engine, uint32_t key_bits, uint32_t length, bool seal);

}  // namespace overlane
