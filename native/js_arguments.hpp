#pragma once

#include <napi.h>

#include "engine.hpp"

namespace tpe {

/** Copies a Uint8Array; anything else gives no bytes. Types and sizes are checked in TypeScript. */
inline Bytes bytes(const Napi::Value& value) {
  if (!value.IsTypedArray()) return {};
  const Napi::Uint8Array array = value.As<Napi::Uint8Array>();
  return Bytes(array.Data(), array.Data() + array.ByteLength());
}

inline std::chrono::milliseconds milliseconds(const Napi::Value& value) {
  return std::chrono::milliseconds{value.As<Napi::Number>().Int64Value()};
}

/** Reads the constructor's options; all of them are given by the façade. */
inline EngineOptions engineOptions(const Napi::Value& value, size_t& queueLimit) {
  const Napi::Object given = value.As<Napi::Object>();
  EngineOptions options;
  options.connection.tcti = given.Get("tcti").As<Napi::String>().Utf8Value();
  options.connection.resourceManaged = given.Get("resourceManaged").ToBoolean();
  options.connection.deadlines.create = milliseconds(given.Get("createTimeoutMs"));
  options.connection.deadlines.other = milliseconds(given.Get("commandTimeoutMs"));
  options.connection.deadlines.busy = milliseconds(given.Get("busyTimeoutMs"));
  const bool legacy = given.Get("ekTemplate").As<Napi::String>().Utf8Value() == "azure-legacy";
  options.ekTemplate = legacy ? EkTemplate::azureLegacy : EkTemplate::tcg;
  options.persistentIdentity = given.Get("persistentIdentity").ToBoolean();
  options.protectBus = given.Get("protectBus").ToBoolean();
  options.expectedEkName = bytes(given.Get("expectedEkName"));
  options.ownerAuth = bytes(given.Get("ownerAuth"));
  options.endorsementAuth = bytes(given.Get("endorsementAuth"));
  options.liveKey = WrappedKey{bytes(given.Get("livePublic")), bytes(given.Get("livePrivate"))};
  queueLimit = given.Get("queueLimit").As<Napi::Number>().Uint32Value();
  return options;
}

}  // namespace tpe
