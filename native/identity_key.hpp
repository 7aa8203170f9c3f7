#pragma once

#include "activation.hpp"
#include "handles.hpp"

namespace tpe {

/** The live hub key. Its blob is kept, so that a TPM that was reset underneath gets it loaded again. */
class IdentityKey {
 public:
  IdentityKey(Connection& connection, Sessions& sessions, Primaries& primaries, bool persistent)
      : connection_(connection), sessions_(sessions), primaries_(primaries), persistent_(persistent) {}

  /** Loads and proves the key; only then it takes the place of the one before. */
  void use(const WrappedKey& key);
  /** Names the key that {@link handle} loads when it is first needed. */
  void remember(WrappedKey key) { current_ = std::move(key); }
  /** The loaded key. @throws Failure `noIdentityKey` when none was given yet. */
  ESYS_TR handle();
  /** Flushes the key and remembers it no more. */
  void drop();
  /** Removes what is at 0x81000100 when it is the key with this public area; empty means the remembered one. */
  void evict(const Bytes& area);

  /** Loads a wrapped HMAC key under the SRK; the caller flushes it by letting it go. */
  Handle load(const WrappedKey& key);
  /** The same for a key whose public area the caller has checked. */
  Handle load(const TPM2B_PUBLIC& area, const Bytes& secret);

 private:
  Handle loadUnder(const StorageRootKey& srk, const TPM2B_PUBLIC& area, const TPM2B_PRIVATE& secret);
  Handle persist(Handle loaded);
  void evict(Handle persistent);

  Connection& connection_;
  Sessions& sessions_;
  Primaries& primaries_;
  const bool persistent_;
  WrappedKey current_;
  Handle live_;
};

}  // namespace tpe
