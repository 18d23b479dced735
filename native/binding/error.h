// How the binding reports a failure: a JavaScript Error with a `code` of src/errors.ts.
#pragma once

#include <napi.h>

#include <string>

#include "net/netns.h"

namespace overlane {

// Only for calls from JavaScript that may throw; never on the packet path.
[[noreturn]] inline void throw_error(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  throw error;
}

inline void check(Napi::Env env, const NetResult& result) {
  if (!result) throw_error(env, result.code, result.message);
}

}  // namespace overlane
