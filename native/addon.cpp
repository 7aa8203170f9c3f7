#include <napi.h>

#include <cstdlib>

#include "exit_gate.hpp"
#include "tpm_class.hpp"

namespace {

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  static const bool once = [] {
    tpe::ExitGate::install();
    // tpm2-tss prints to stderr by itself; errors reach the log through the façade. TSS2_LOG still turns it on.
    setenv("TSS2_LOG", "all+none", 0);
    return true;
  }();
  static_cast<void>(once);
  exports.Set("NativeTpm", tpe::TpmClass::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(tpe_tpm, initialize)
