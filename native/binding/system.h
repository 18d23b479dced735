// What there is to ask of, and to do to, the machine and the process as a whole.
#pragma once

#include <napi.h>

namespace overlane {

void init_system(Napi::Env env, Napi::Object exports);
// binding/netns.cc: namespaces, and the interfaces in them
void init_netns(Napi::Env env, Napi::Object exports);

}  // namespace overlane
