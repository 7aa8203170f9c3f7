// What the daemon needs of Linux and Node.js does not offer: datagrams to AF_UNIX sockets (sd_notify), flock(2) and
// the credentials of a socket's peer, files that are mapped instead of read, another effective user; and what it needs of
// malloc(3). Linked to libc only, so that it loads where tpm2-tss is missing.
#include <napi.h>

#include <cerrno>
#include <memory>
#include <new>
#include <vector>

#include "mapped_file.hpp"
#include "system.hpp"
#include "udp_socket.hpp"

/// Node.js exports it since 20.4; its header declares it for those only who ask for Node-API 10, which 20 lacks.
extern "C" NAPI_EXTERN __attribute__((weak)) napi_status NAPI_CDECL node_api_create_external_string_latin1(
    napi_env env, char* text, size_t length, napi_finalize finalize, void* hint, napi_value* result, bool* copied);

namespace {

Napi::Value Failed(Napi::Env env, const tpe::system::Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.what());
  // Negative, as Node.js writes it: util.getSystemErrorName() turns it into a code.
  error.Set("errno", Napi::Number::New(env, -failure.number()));
  error.ThrowAsJavaScriptException();
  return env.Undefined();
}

int DescriptorArgument(const Napi::CallbackInfo& info) { return info[0].As<Napi::Number>().Int32Value(); }

Napi::Value SendDatagram(const Napi::CallbackInfo& info) {
  try {
    tpe::system::SendDatagram(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::String>().Utf8Value());
    return info.Env().Undefined();
  } catch (const tpe::system::Failure& failure) {
    return Failed(info.Env(), failure);
  }
}

Napi::Value TryLock(const Napi::CallbackInfo& info) {
  try {
    return Napi::Boolean::New(info.Env(), tpe::system::TryLock(DescriptorArgument(info)));
  } catch (const tpe::system::Failure& failure) {
    return Failed(info.Env(), failure);
  }
}

Napi::Value PeerUid(const Napi::CallbackInfo& info) {
  try {
    return Napi::Number::New(info.Env(), tpe::system::PeerUid(DescriptorArgument(info)));
  } catch (const tpe::system::Failure& failure) {
    return Failed(info.Env(), failure);
  }
}

Napi::Value ActAs(const Napi::CallbackInfo& info) {
  try {
    const auto given = info[2].As<Napi::Array>();
    std::vector<gid_t> groups(given.Length());
    for (uint32_t i = 0; i < given.Length(); ++i) groups[i] = given.Get(i).As<Napi::Number>().Uint32Value();
    tpe::system::ActAs(info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::Number>().Uint32Value(), groups);
    return info.Env().Undefined();
  } catch (const tpe::system::Failure& failure) {
    return Failed(info.Env(), failure);
  } catch (const std::bad_alloc&) {
    return Failed(info.Env(), tpe::system::Failure("ActAs", ENOMEM));
  }
}

Napi::Value OpenUdpSocket(const Napi::CallbackInfo& info) {
  try {
    const auto port = static_cast<unsigned short>(info[2].As<Napi::Number>().Uint32Value());
    return Napi::Number::New(info.Env(),
                             tpe::system::OpenUdpSocket(info[0].As<Napi::String>().Utf8Value(),
                                                        info[1].As<Napi::Number>().Int32Value(), port));
  } catch (const tpe::system::Failure& failure) {
    return Failed(info.Env(), failure);
  }
}

void GiveBackFree(const Napi::CallbackInfo&) { tpe::system::GiveBackFree(); }

void Unmap(napi_env, void*, void* file) { delete static_cast<tpe::system::MappedFile*>(file); }

/// The text of a Latin-1 file as a string that lives in the file's own pages.
Napi::Value MapText(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  try {
    if (node_api_create_external_string_latin1 == nullptr) throw tpe::system::Failure("Node-API", ENOSYS);
    auto file = std::make_unique<tpe::system::MappedFile>(info[0].As<Napi::String>().Utf8Value());
    napi_value text = nullptr;
    bool copied = false;
    const napi_status status = node_api_create_external_string_latin1(env, file->data(), file->size(), Unmap, file.get(),
                                                                      &text, &copied);
    if (status != napi_ok) throw tpe::system::Failure("Node-API", EINVAL);
    // The string's, or unmapped by now if Node.js had to copy it.
    static_cast<void>(file.release());
    return {env, text};
  } catch (const tpe::system::Failure& failure) {
    return Failed(env, failure);
  } catch (const std::bad_alloc&) {
    return Failed(env, tpe::system::Failure("MappedFile", ENOMEM));
  }
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  tpe::system::KeepHeapSmall();
  exports.Set("sendDatagram", Napi::Function::New(env, SendDatagram));
  exports.Set("tryLock", Napi::Function::New(env, TryLock));
  exports.Set("peerUid", Napi::Function::New(env, PeerUid));
  exports.Set("actAs", Napi::Function::New(env, ActAs));
  exports.Set("mapText", Napi::Function::New(env, MapText));
  exports.Set("giveBackFree", Napi::Function::New(env, GiveBackFree));
  exports.Set("openUdpSocket", Napi::Function::New(env, OpenUdpSocket));
  return exports;
}

}  // namespace

NODE_API_MODULE(tpe_system, Init)
