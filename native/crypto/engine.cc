#include "crypto/engine.h"

#include "crypto/aead_check.h"
#include "crypto/engines.h"
#include "crypto/openssl.h"

namespace overlane {

namespace {

EngineInfo openssl_info() {
  EngineInfo info = {AeadEngine::openssl, "openssl", false, {}};
  const OpenSsl* ssl = openssl(&info.detail);
  if (ssl == nullptr) return info;
  info.detail = std::string(ssl->version(0)) + ", of " + ssl->from;
  const char* wrong = check_known_answers(make_openssl_aead);
  info.usable = wrong == nullptr;
  if (wrong != nullptr) info.detail += std::string(": ") + wrong;
  return info;
}

EngineInfo ipsec_mb_info() {
  const IpsecMb& found = ipsec_mb();
  EngineInfo info = {AeadEngine::ipsec_mb, "ipsec-mb", !found.variants.empty(), found.why};
  if (info.usable) info.detail = "Intel IPsec MB " + found.version + ", " + found.variants.front().name;
  return info;
}

std::vector<EngineInfo> look() {
  EngineInfo mb = ipsec_mb_info(), ssl = openssl_info();
  if (mb.usable) return {mb, ssl};
  return {ssl, mb};
}

bool is_usable(AeadEngine engine) {
  for (const EngineInfo& info : aead_engines()) {
    if (info.engine == engine) return info.usable;
  }
  return true;
}

}  // namespace

const std::vector<EngineInfo>& aead_engines() {
  static const std::vector<EngineInfo> all = look();
  return all;
}

AeadEngine best_engine() {
  return aead_engines().front().engine;
}

std::unique_ptr<Aead> make_aead(AeadEngine engine, const uint8_t* key, uint32_t key_length, uint32_t tag_length) {
  if ((key_length != 16 && key_length != 32) || (tag_length != 8 && tag_length != 16) || !is_usable(engine)) {
    return nullptr;
  }
  switch (engine) {
    case AeadEngine::openssl:
      return make_openssl_aead(key, key_length, tag_length);
    case AeadEngine::ipsec_mb:
      return make_ipsec_mb_aead(ipsec_mb().variants.front(), key, key_length, tag_length);
    case AeadEngine::null:
      return make_null_aead(tag_length);
  }
  return nullptr;
}

}  // namespace overlane
