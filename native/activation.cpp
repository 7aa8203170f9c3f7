#include "activation.hpp"

#include <algorithm>

#include "esys_memory.hpp"
#include "failure.hpp"

namespace tpe {

namespace {

TPMT_SYM_DEF_OBJECT innerWrap(const TPM2B_DATA& key) {
  if (key.size != 16 && key.size != 24 && key.size != 32) {
    throw Failure{"blob", "TPM2_ActivateCredential", "the inner wrap key is no AES key"};
  }
  TPMT_SYM_DEF_OBJECT symmetric{};
  symmetric.algorithm = TPM2_ALG_AES;
  symmetric.keyBits.aes = static_cast<TPM2_KEY_BITS>(key.size * 8);
  symmetric.mode.aes = TPM2_ALG_CFB;
  return symmetric;
}

}  // namespace

WrappedKey activate(Connection& connection, Sessions& sessions, Primaries& primaries, const AuthenticationKeyBlob& blob,
                    bool protectBus) {
  const EndorsementKey ek = primaries.endorsementKey();
  const StorageRootKey srk = primaries.storageRootKey();
  const Handle session = sessions.salted(ek.handle.get());
  Wiped<TPM2B_DATA> innerKey;
  {
    const Handle policy = sessions.endorsementPolicy(ek.handle.get());
    sessions.protect(session, protectBus ? TPMA_SESSION_ENCRYPT : 0);
    EsysPointer<TPM2B_DIGEST> credential;
    check(Esys_ActivateCredential(connection.esys(), srk.handle.get(), ek.handle.get(), session.get(), policy.get(),
                                  ESYS_TR_NONE, &blob.credential, &blob.credentialSeed, credential.out()),
          "TPM2_ActivateCredential");
    innerKey.value.size = std::min<uint16_t>(credential->size, sizeof innerKey.value.buffer);
    std::copy_n(credential->buffer, innerKey.value.size, innerKey.value.buffer);
  }
  const TPMT_SYM_DEF_OBJECT symmetric = innerWrap(innerKey.value);
  sessions.protect(session, protectBus ? TPMA_SESSION_DECRYPT : 0);
  EsysPointer<TPM2B_PRIVATE> imported;
  check(Esys_Import(connection.esys(), srk.handle.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &innerKey.value,
                    &blob.area, &blob.duplicate, &blob.duplicateSeed, &symmetric, imported.out()),
        "TPM2_Import");
  return WrappedKey{marshal(blob.area), marshal(*imported)};
}

}  // namespace tpe
