#include "tpm_class.hpp"

#include "js_arguments.hpp"

namespace tpe {

namespace {

constexpr std::chrono::milliseconds kTeardownPatience{100};

Napi::Value toError(Napi::Env env, const Failure& failure) {
  Napi::Object error = Napi::Error::New(env, failure.kind + " in " + failure.command).Value();
  error.Set("kind", failure.kind);
  error.Set("command", failure.command);
  error.Set("reason", failure.reason);
  error.Set("rc", static_cast<double>(failure.rc));
  return error;
}

}  // namespace

Napi::Function TpmClass::define(Napi::Env env) {
  return DefineClass(env, "NativeTpm",
                     {
                         InstanceMethod<&TpmClass::info>("info"),
                         InstanceMethod<&TpmClass::endorsementKey>("endorsementKey"),
                         InstanceMethod<&TpmClass::storageRootKey>("storageRootKey"),
                         InstanceMethod<&TpmClass::persistPrimaries>("persistPrimaries"),
                         InstanceMethod<&TpmClass::activateIdentityKey>("activateIdentityKey"),
                         InstanceMethod<&TpmClass::signWith>("signWith"),
                         InstanceMethod<&TpmClass::loadIdentityKey>("loadIdentityKey"),
                         InstanceMethod<&TpmClass::unloadIdentityKey>("unloadIdentityKey"),
                         InstanceMethod<&TpmClass::sign>("sign"),
                         InstanceMethod<&TpmClass::random>("random"),
                         InstanceMethod<&TpmClass::ekCertificates>("ekCertificates"),
                         InstanceMethod<&TpmClass::createAttestationKey>("createAttestationKey"),
                         InstanceMethod<&TpmClass::activateCredential>("activateCredential"),
                         InstanceMethod<&TpmClass::expectEkName>("expectEkName"),
                         InstanceMethod<&TpmClass::setAuthorizations>("setAuthorizations"),
                         InstanceMethod<&TpmClass::overdue>("overdue"),
                         InstanceMethod<&TpmClass::abandon>("abandon"),
                         InstanceMethod<&TpmClass::close>("close"),
                         StaticMethod<&TpmClass::leftBehind>("leftBehind"),
                     });
}

TpmClass::TpmClass(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TpmClass>(info), env_(info.Env()) {
  size_t queueLimit = 0;
  const EngineOptions options = engineOptions(info[0], queueLimit);
  napi_value name = Napi::String::New(env_, "tpe_tpm");
  if (napi_create_threadsafe_function(env_, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, onOutcomes, &wake_) !=
      napi_ok) {
    refuse("Node.js gives no threadsafe function");
    return;
  }
  napi_unref_threadsafe_function(env_, wake_);
  const napi_threadsafe_function wake = wake_;
  watch_ = options.connection.watch;
  worker_ = Worker::start(options, queueLimit,
                          [wake] { napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking); });
  if (!worker_) {
    napi_release_threadsafe_function(wake_, napi_tsfn_abort);
    refuse("the system gives no further thread");
    return;
  }
  // Hooks run last in, first out: this one runs before the threadsafe function's own, so the thread never calls one
  // that is gone.
  napi_add_env_cleanup_hook(env_, onTeardown, this);
}

void TpmClass::refuse(const char* reason) {
  Napi::Error(env_, toError(env_, Failure{"internal", "open", reason})).ThrowAsJavaScriptException();
}

TpmClass::~TpmClass() {
  if (!worker_) return;
  napi_remove_env_cleanup_hook(env_, onTeardown, this);
  stop();
}

void TpmClass::stop() {
  worker_->abandon();
  worker_.reset();
  napi_release_threadsafe_function(wake_, napi_tsfn_abort);
}

void TpmClass::onTeardown(void* self) {
  TpmClass& tpm = *static_cast<TpmClass*>(self);
  const std::shared_ptr<Worker> worker = tpm.worker_;
  tpm.pending_.clear();
  tpm.stop();
  // Lets an idle TPM flush its key; a stuck one is left behind.
  worker->endedWithin(kTeardownPatience);
}

Napi::Value TpmClass::post(Napi::Env env, Worker::Work work) {
  const Napi::Promise::Deferred deferred = Napi::Promise::Deferred::New(env);
  const uint64_t id = ++lastId_;
  if (!worker_ || !worker_->post(id, std::move(work))) {
    deferred.Reject(toError(env, Failure{closed_ || !worker_ ? "closed" : "queueFull", "", ""}));
    return deferred.Promise();
  }
  if (pending_.empty()) {
    Ref();
    napi_ref_threadsafe_function(env, wake_);
  }
  pending_.emplace(id, deferred);
  return deferred.Promise();
}

void TpmClass::onOutcomes(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;
  static_cast<TpmClass*>(context)->settle(env);
}

void TpmClass::settle(Napi::Env env) {
  const Napi::HandleScope scope(env);
  if (!worker_) return;
  for (const Worker::Outcome& outcome : worker_->takeOutcomes()) {
    const auto found = pending_.find(outcome.id);
    if (found == pending_.end()) continue;
    if (const tpe::Value* value = std::get_if<tpe::Value>(&outcome.result)) {
      found->second.Resolve(toJavaScript(env, *value));
    } else {
      found->second.Reject(toError(env, std::get<Failure>(outcome.result)));
    }
    pending_.erase(found);
    if (pending_.empty()) idle(env);
  }
}

void TpmClass::idle(Napi::Env env) {
  napi_unref_threadsafe_function(env, wake_);
  Unref();
}

Napi::Value TpmClass::overdue(const Napi::CallbackInfo& call) {
  return Napi::Boolean::New(call.Env(), watch_->overdue());
}

Napi::Value TpmClass::abandon(const Napi::CallbackInfo& call) {
  if (!worker_) return call.Env().Undefined();
  const Napi::Env env = call.Env();
  watch_->cancel();
  napi_remove_env_cleanup_hook(env_, onTeardown, this);
  std::unordered_map<uint64_t, Napi::Promise::Deferred> rejected;
  rejected.swap(pending_);
  for (const auto& [id, deferred] : rejected) deferred.Reject(toError(env, Failure{"abandoned", "", ""}));
  if (!rejected.empty()) idle(env);
  stop();
  return env.Undefined();
}

Napi::Value TpmClass::leftBehind(const Napi::CallbackInfo& call) {
  return Napi::Number::New(call.Env(), Worker::leftBehind());
}

Napi::Value TpmClass::info(const Napi::CallbackInfo& call) {
  return post(call.Env(), [](Engine& engine) { return engine.info(); });
}

Napi::Value TpmClass::endorsementKey(const Napi::CallbackInfo& call) {
  return post(call.Env(), [](Engine& engine) { return engine.endorsementKey(); });
}

Napi::Value TpmClass::storageRootKey(const Napi::CallbackInfo& call) {
  return post(call.Env(), [](Engine& engine) { return engine.storageRootKey(); });
}

Napi::Value TpmClass::persistPrimaries(const Napi::CallbackInfo& call) {
  return post(call.Env(), [](Engine& engine) { return engine.persistPrimaries(); });
}

Napi::Value TpmClass::activateIdentityKey(const Napi::CallbackInfo& call) {
  return post(call.Env(), [blob = bytes(call[0])](Engine& engine) { return engine.activateIdentityKey(blob); });
}

Napi::Value TpmClass::signWith(const Napi::CallbackInfo& call) {
  return post(call.Env(), [key = WrappedKey{bytes(call[0]), bytes(call[1])}, data = bytes(call[2])](Engine& engine) {
    return engine.signWith(key, data);
  });
}

Napi::Value TpmClass::loadIdentityKey(const Napi::CallbackInfo& call) {
  return post(call.Env(), [key = WrappedKey{bytes(call[0]), bytes(call[1])}](Engine& engine) {
    return engine.loadIdentityKey(key);
  });
}

Napi::Value TpmClass::unloadIdentityKey(const Napi::CallbackInfo& call) {
  return post(call.Env(), [area = bytes(call[0])](Engine& engine) { return engine.unloadIdentityKey(area); });
}

Napi::Value TpmClass::sign(const Napi::CallbackInfo& call) {
  return post(call.Env(), [data = bytes(call[0])](Engine& engine) { return engine.sign(data); });
}

Napi::Value TpmClass::random(const Napi::CallbackInfo& call) {
  return post(call.Env(), [count = call[0].As<Napi::Number>().Uint32Value()](Engine& engine) {
    return engine.random(count);
  });
}

Napi::Value TpmClass::ekCertificates(const Napi::CallbackInfo& call) {
  return post(call.Env(), [](Engine& engine) { return engine.ekCertificates(); });
}

Napi::Value TpmClass::createAttestationKey(const Napi::CallbackInfo& call) {
  return post(call.Env(), [](Engine& engine) { return engine.createAttestationKey(); });
}

Napi::Value TpmClass::activateCredential(const Napi::CallbackInfo& call) {
  return post(call.Env(), [key = WrappedKey{bytes(call[0]), bytes(call[1])}, credentialBlob = bytes(call[2]),
                           secret = bytes(call[3])](Engine& engine) {
    return engine.activateCredential(key, credentialBlob, secret);
  });
}

Napi::Value TpmClass::expectEkName(const Napi::CallbackInfo& call) {
  return post(call.Env(), [name = bytes(call[0])](Engine& engine) { return engine.expectEkName(name); });
}

Napi::Value TpmClass::setAuthorizations(const Napi::CallbackInfo& call) {
  return post(call.Env(), [owner = bytes(call[0]), endorsement = bytes(call[1])](Engine& engine) {
    return engine.setAuthorizations(owner, endorsement);
  });
}

Napi::Value TpmClass::close(const Napi::CallbackInfo& call) {
  Napi::Value closed = post(call.Env(), [](Engine& engine) {
    engine.close();
    return tpe::Value{};
  });
  closed_ = true;
  if (worker_) worker_->finish();
  return closed;
}

}  // namespace tpe
