#include "engine.hpp"

#include <algorithm>

#include "attestation.hpp"
#include "certificate_store.hpp"
#include "esys_memory.hpp"
#include "facts.hpp"
#include "failure.hpp"
#include "hmac.hpp"

namespace tpe {

namespace {

Value wrapped(WrappedKey key) { return Value{Object{{"public", Value{key.area}}, {"private", Value{key.secret}}}}; }

}  // namespace

Engine::Engine(EngineOptions options)
    : connection_(std::move(options.connection)),
      sessions_(connection_),
      primaries_(connection_, sessions_, options.ekTemplate, std::move(options.expectedEkName)),
      identity_(connection_, sessions_, primaries_, options.persistentIdentity),
      protectBus_(options.protectBus) {
  sessions_.setAuthorizations(std::move(options.ownerAuth), std::move(options.endorsementAuth));
  identity_.remember(std::move(options.liveKey));
}

template <typename Verb>
Value Engine::run(Verb verb) {
  for (bool again = false;; again = true) {
    try {
      connection_.ensureOpen();
      return verb();
    } catch (Failure& failure) {
      connection_.explain(failure);
      // A key that is refused belongs to another TPM, or to this one before it was cleared.
      if (failure.command == "TPM2_Load") primaries_.forgetEndorsementKey();
      if (again || !recover(failure)) throw;
    }
  }
}

bool Engine::recover(const Failure& failure) {
  if (failure.kind != "rc") return false;
  if (!answeredByTpm(failure.rc)) return failure.command != "open";
  const TSS2_RC code = baseCode(failure.rc);
  const bool outOfMemory =
      code == TPM2_RC_OBJECT_MEMORY || code == TPM2_RC_SESSION_MEMORY || code == TPM2_RC_SESSION_HANDLES;
  const bool objectGone =
      code == TPM2_RC_HANDLE || (code >= TPM2_RC_REFERENCE_H0 && code <= TPM2_RC_REFERENCE_S6);
  const bool reset = code == TPM2_RC_INITIALIZE;
  if (!outOfMemory && !objectGone && !reset) return false;
  // Opening again flushes what is there and forgets every handle, the live key's included.
  connection_.close();
  return true;
}

Value Engine::info() {
  return run([&] { return Value{facts(connection_)}; });
}

Value Engine::endorsementKey() {
  return run([&] {
    const KnownEndorsementKey key = primaries_.knownEndorsementKey();
    Value derivedFrom;
    if (key.derivedFrom) derivedFrom.data = std::string(*key.derivedFrom == EkTemplate::tcg ? "tcg" : "azure-legacy");
    return Value{Object{{"public", Value{key.publicArea}},
                        {"name", Value{key.name}},
                        {"template", derivedFrom},
                        {"persistent", Value{key.persistent}}}};
  });
}

Value Engine::storageRootKey() {
  return run([&] {
    const StorageRootKey key = primaries_.storageRootKey();
    return Value{Object{{"public", Value{key.publicArea}},
                        {"name", Value{key.name}},
                        {"persistent", Value{key.handle.persistent()}},
                        {"strangerAtHandle", Value{key.strangerAtHandle}}}};
  });
}

Value Engine::persistPrimaries() {
  return run([&] {
    primaries_.persist();
    return Value{};
  });
}

Value Engine::activateIdentityKey(const Bytes& blob) {
  const AuthenticationKeyBlob parsed = parseAuthenticationKey(blob.data(), blob.size());
  return run([&] { return wrapped(activate(connection_, sessions_, primaries_, parsed, protectBus_)); });
}

Value Engine::signWith(const WrappedKey& key, const Bytes& data) {
  return run([&] {
    const Handle loaded = identity_.load(key);
    return Value{hmac(connection_, loaded.get(), data)};
  });
}

Value Engine::loadIdentityKey(const WrappedKey& key) {
  return run([&] {
    identity_.use(key);
    return Value{};
  });
}

Value Engine::unloadIdentityKey(const Bytes& area) {
  return run([&] {
    identity_.evict(area);
    identity_.drop();
    return Value{};
  });
}

Value Engine::sign(const Bytes& data) {
  return run([&] { return Value{hmac(connection_, identity_.handle(), data)}; });
}

Value Engine::random(size_t count) {
  return run([&] {
    Bytes bytes;
    while (bytes.size() < count) {
      EsysPointer<TPM2B_DIGEST> part;
      const size_t wanted = std::min(count - bytes.size(), size_t{TPM2_SHA256_DIGEST_SIZE});
      check(Esys_GetRandom(connection_.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, static_cast<uint16_t>(wanted),
                           part.out()),
            "TPM2_GetRandom");
      if (part->size == 0) throw Failure{"malformed", "TPM2_GetRandom", "the TPM gave no random bytes"};
      bytes.insert(bytes.end(), part->buffer, part->buffer + part->size);
    }
    return Value{bytes};
  });
}

Value Engine::ekCertificates() {
  return run([&] {
    List list;
    for (StoredCertificate& stored : readEkCertificates(connection_, sessions_)) {
      list.push_back(Value{Object{{"index", Value{static_cast<double>(stored.index)}},
                                  {"content", Value{std::move(stored.content)}}}});
    }
    return Value{std::move(list)};
  });
}

Value Engine::createAttestationKey() {
  return run([&] { return wrapped(tpe::createAttestationKey(connection_, primaries_)); });
}

Value Engine::activateCredential(const WrappedKey& key, const Bytes& credentialBlob, const Bytes& secret) {
  return run([&] {
    return Value{activateWithAttestationKey(connection_, sessions_, primaries_, identity_, key, credentialBlob, secret)};
  });
}

Value Engine::expectEkName(Bytes name) {
  primaries_.expectEkName(std::move(name));
  return Value{};
}

Value Engine::setAuthorizations(Bytes owner, Bytes endorsement) {
  sessions_.setAuthorizations(std::move(owner), std::move(endorsement));
  primaries_.forgetEndorsementKey();
  return Value{};
}

void Engine::close() {
  identity_.drop();
  connection_.close();
}

}  // namespace tpe
