#pragma once

#include <napi.h>

#include <memory>
#include <unordered_map>

#include "worker.hpp"

namespace tpe {

/** The JavaScript class `NativeTpm`: turns arguments into work for the TPM's thread and outcomes into promises. */
class TpmClass : public Napi::ObjectWrap<TpmClass> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit TpmClass(const Napi::CallbackInfo& info);
  ~TpmClass() override;

 private:
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value endorsementKey(const Napi::CallbackInfo& info);
  Napi::Value storageRootKey(const Napi::CallbackInfo& info);
  Napi::Value persistPrimaries(const Napi::CallbackInfo& info);
  Napi::Value activateIdentityKey(const Napi::CallbackInfo& info);
  Napi::Value signWith(const Napi::CallbackInfo& info);
  Napi::Value loadIdentityKey(const Napi::CallbackInfo& info);
  Napi::Value unloadIdentityKey(const Napi::CallbackInfo& info);
  Napi::Value sign(const Napi::CallbackInfo& info);
  Napi::Value random(const Napi::CallbackInfo& info);
  Napi::Value ekCertificates(const Napi::CallbackInfo& info);
  Napi::Value createAttestationKey(const Napi::CallbackInfo& info);
  Napi::Value activateCredential(const Napi::CallbackInfo& info);
  Napi::Value expectEkName(const Napi::CallbackInfo& info);
  Napi::Value setAuthorizations(const Napi::CallbackInfo& info);
  Napi::Value overdue(const Napi::CallbackInfo& info);
  Napi::Value abandon(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  Napi::Value post(Napi::Env env, Worker::Work work);
  void settle(Napi::Env env);
  void refuse(const char* reason);
  void stop();
  void idle(Napi::Env env);

  static Napi::Value leftBehind(const Napi::CallbackInfo& info);
  static void onOutcomes(napi_env env, napi_value callback, void* context, void* data);
  static void onTeardown(void* self);

  napi_env env_;
  std::shared_ptr<Worker> worker_;
  std::shared_ptr<CommandWatch> watch_;
  napi_threadsafe_function wake_ = nullptr;
  std::unordered_map<uint64_t, Napi::Promise::Deferred> pending_;
  uint64_t lastId_ = 0;
  bool closed_ = false;
};

}  // namespace tpe
