// Whether an implementation of AES-GCM computes AES-GCM: asked once for each engine, before it sees a key.
#pragma once

#include <functional>

#include "crypto/aead.h"

namespace overlane {

using AeadMaker = std::function<std::unique_ptr<Aead>(const uint8_t* key, uint32_t key_length, uint32_t tag_length)>;

// Published packets of ESP, both key and tag lengths, sealed and opened; changed ones are refused. nullptr: all is
// well; otherwise what is wrong.
const char* check_known_answers(const AeadMaker& make);

// The same bytes as another one's for lengths around every block and loop size, in both directions.
const char* check_same(const AeadMaker& make, const AeadMaker& reference);

}  // namespace overlane
