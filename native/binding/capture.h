// CaptureReader and CaptureWriter for JavaScript: whole bursts at a time, as src/native.ts declares them.
#pragma once

#include <napi.h>

namespace overlane {

void init_capture(Napi::Env env, Napi::Object exports);

}  // namespace overlane
