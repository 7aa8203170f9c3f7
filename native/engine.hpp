#pragma once

#include "identity_key.hpp"
#include "value.hpp"

namespace tpe {

struct EngineOptions {
  ConnectionOptions connection;
  EkTemplate ekTemplate = EkTemplate::tcg;
  bool persistentIdentity = false;
  bool protectBus = true;
  Bytes expectedEkName;
  /** Hub key to load at the first sign; empty when there is none yet. */
  WrappedKey liveKey;
  Bytes ownerAuth;
  Bytes endorsementAuth;
};

/** The verbs of one TPM. Lives on the TPM's own thread; nothing here is called from two threads. */
class Engine {
 public:
  explicit Engine(EngineOptions options);

  Value info();
  Value endorsementKey();
  Value storageRootKey();
  Value persistPrimaries();
  Value activateIdentityKey(const Bytes& blob);
  Value signWith(const WrappedKey& key, const Bytes& data);
  Value loadIdentityKey(const WrappedKey& key);
  /** @param area public area of the key whose persistent copy goes, too; empty means the live key's. */
  Value unloadIdentityKey(const Bytes& area);
  Value sign(const Bytes& data);
  Value random(size_t count);
  Value ekCertificates();
  Value createAttestationKey();
  Value activateCredential(const WrappedKey& key, const Bytes& credentialBlob, const Bytes& secret);
  Value expectEkName(Bytes name);
  Value setAuthorizations(Bytes owner, Bytes endorsement);
  /** Flushes the live key and closes the TCTI. */
  void close();

 private:
  /**
   * Runs a verb. Repeats it once when the reason it failed is gone by then: the transport was reopened, objects that
   * others left were flushed, or a TPM that was reset gets its key loaded again. Every verb may be repeated.
   */
  template <typename Verb>
  Value run(Verb verb);
  bool recover(const Failure& failure);

  Connection connection_;
  Sessions sessions_;
  Primaries primaries_;
  IdentityKey identity_;
  const bool protectBus_;
};

}  // namespace tpe
