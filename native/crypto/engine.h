// Which engines this machine has.
#pragma once

#include <string>
#include <vector>

#include "crypto/aead.h"

namespace overlane {

struct EngineInfo {
  AeadEngine engine;
  const char* name;  // openssl, ipsec-mb
  bool usable;
  std::string detail;  // version and variant, or why it is not usable
};

// The ciphers, the one that is taken by itself first; without the null engine.
const std::vector<EngineInfo>& aead_engines();
AeadEngine best_engine();

}  // namespace overlane
