#include "attestation.hpp"

#include <tss2/tss2_mu.h>

#include "esys_memory.hpp"
#include "failure.hpp"

namespace tpe {

namespace {

constexpr TPMA_OBJECT kAttestationAttributes = 0x00050472;

TPM2B_PUBLIC attestationTemplate() {
  TPM2B_PUBLIC key{};
  TPMT_PUBLIC& area = key.publicArea;
  area.type = TPM2_ALG_ECC;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = kAttestationAttributes;
  TPMS_ECC_PARMS& ecc = area.parameters.eccDetail;
  ecc.symmetric.algorithm = TPM2_ALG_NULL;
  ecc.scheme.scheme = TPM2_ALG_ECDSA;
  ecc.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
  ecc.curveID = TPM2_ECC_NIST_P256;
  ecc.kdf.scheme = TPM2_ALG_NULL;
  return key;
}

template <typename T, typename Unmarshal>
T parseWhole(const Bytes& bytes, const char* name, Unmarshal unmarshal) {
  T value{};
  size_t offset = 0;
  if (unmarshal(bytes.data(), bytes.size(), &offset, &value) != TSS2_RC_SUCCESS || offset != bytes.size()) {
    throw Failure{"blob", "parse", std::string(name) + " is malformed"};
  }
  return value;
}

/** Refuses a stored key that is no attestation key, so that this never turns into an oracle for another one. */
TPM2B_PUBLIC parseAttestationPublic(const Bytes& bytes) {
  const TPM2B_PUBLIC area = parseWhole<TPM2B_PUBLIC>(bytes, "public", Tss2_MU_TPM2B_PUBLIC_Unmarshal);
  if (area.publicArea.type != TPM2_ALG_ECC || area.publicArea.objectAttributes != kAttestationAttributes) {
    throw Failure{"blob", "parse", "this is no attestation key"};
  }
  return area;
}

Handle loadAttestationKey(IdentityKey& identity, const WrappedKey& key) {
  try {
    return identity.load(parseAttestationPublic(key.area), key.secret);
  } catch (Failure& failure) {
    // What the caller of a proof sent is a `blob`, too; the stored key is not his fault.
    if (failure.kind == "blob") failure.kind = "keyBlob";
    throw;
  }
}

}  // namespace

WrappedKey createAttestationKey(Connection& connection, Primaries& primaries) {
  const TPM2B_SENSITIVE_CREATE sensitive{};
  const TPM2B_DATA outsideInfo{};
  const TPML_PCR_SELECTION noPcrs{};
  const TPM2B_PUBLIC area = attestationTemplate();
  const StorageRootKey srk = primaries.storageRootKey();
  EsysPointer<TPM2B_PRIVATE> madePrivate;
  EsysPointer<TPM2B_PUBLIC> madePublic;
  EsysPointer<TPM2B_CREATION_DATA> creationData;
  EsysPointer<TPM2B_DIGEST> creationHash;
  EsysPointer<TPMT_TK_CREATION> ticket;
  check(Esys_Create(connection.esys(), srk.handle.get(), ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                    &area, &outsideInfo, &noPcrs, madePrivate.out(), madePublic.out(), creationData.out(),
                    creationHash.out(), ticket.out()),
        "TPM2_Create");
  return WrappedKey{marshal(*madePublic), marshal(*madePrivate)};
}

Bytes activateWithAttestationKey(Connection& connection, Sessions& sessions, Primaries& primaries,
                                 IdentityKey& identity, const WrappedKey& key, const Bytes& credentialBlob,
                                 const Bytes& secret) {
  const TPM2B_ID_OBJECT credential =
      parseWhole<TPM2B_ID_OBJECT>(credentialBlob, "credential", Tss2_MU_TPM2B_ID_OBJECT_Unmarshal);
  const TPM2B_ENCRYPTED_SECRET seed =
      parseWhole<TPM2B_ENCRYPTED_SECRET>(secret, "secret", Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal);
  const Handle attestationKey = loadAttestationKey(identity, key);
  const EndorsementKey ek = primaries.endorsementKey();
  const Handle session = sessions.salted(ek.handle.get());
  const Handle policy = sessions.endorsementPolicy(ek.handle.get());
  sessions.protect(session, TPMA_SESSION_ENCRYPT);
  EsysPointer<TPM2B_DIGEST> recovered;
  check(Esys_ActivateCredential(connection.esys(), attestationKey.get(), ek.handle.get(), session.get(), policy.get(),
                                ESYS_TR_NONE, &credential, &seed, recovered.out()),
        "TPM2_ActivateCredential");
  return Bytes(recovered->buffer, recovered->buffer + recovered->size);
}

}  // namespace tpe
