#include "primaries.hpp"

#include <tss2/tss2_mu.h>

#include <algorithm>

#include "esys_memory.hpp"
#include "failure.hpp"

namespace tpe {

namespace {

Bytes toBytes(const TPM2B_NAME& name) { return Bytes(name.name, name.name + name.size); }

/** Loads the persistent object's metadata; false when nothing is there. */
bool readPersistent(Connection& connection, TPM2_HANDLE handle, Primary& key, EsysPointer<TPM2B_PUBLIC>& area) {
  const std::vector<uint32_t> there = connection.handles(handle);
  if (there.empty() || there.front() != handle) return false;
  key.handle = Handle(connection, Handle::Kind::persistent);
  check(Esys_TR_FromTPMPublic(connection.esys(), handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, key.handle.out()),
        "TPM2_ReadPublic");
  EsysPointer<TPM2B_NAME> name;
  EsysPointer<TPM2B_NAME> qualifiedName;
  check(Esys_ReadPublic(connection.esys(), key.handle.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, area.out(),
                        name.out(), qualifiedName.out()),
        "TPM2_ReadPublic");
  key.name = toBytes(*name);
  key.publicArea = marshal(*area);
  return true;
}

void createPrimary(Connection& connection, ESYS_TR hierarchy, ESYS_TR session, const TPM2B_PUBLIC& area, Primary& key,
                   const char* command) {
  const TPM2B_SENSITIVE_CREATE sensitive{};
  const TPM2B_DATA outsideInfo{};
  const TPML_PCR_SELECTION noPcrs{};
  EsysPointer<TPM2B_PUBLIC> made;
  EsysPointer<TPM2B_CREATION_DATA> creationData;
  EsysPointer<TPM2B_DIGEST> creationHash;
  EsysPointer<TPMT_TK_CREATION> ticket;
  key.handle = Handle(connection, Handle::Kind::transient);
  check(Esys_CreatePrimary(connection.esys(), hierarchy, session, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &area,
                           &outsideInfo, &noPcrs, key.handle.out(), made.out(), creationData.out(), creationHash.out(),
                           ticket.out()),
        command);
  EsysPointer<TPM2B_NAME> name;
  check(Esys_TR_GetName(connection.esys(), key.handle.get(), name.out()), "Esys_TR_GetName");
  key.name = toBytes(*name);
  key.publicArea = marshal(*made);
}

}  // namespace

Bytes marshal(const TPM2B_PUBLIC& area) {
  uint8_t buffer[sizeof(TPM2B_PUBLIC)];
  size_t offset = 0;
  check(Tss2_MU_TPM2B_PUBLIC_Marshal(&area, buffer, sizeof buffer, &offset), "marshal");
  return Bytes(buffer, buffer + offset);
}

Bytes marshal(const TPM2B_PRIVATE& area) {
  uint8_t buffer[sizeof(TPM2B_PRIVATE)];
  size_t offset = 0;
  check(Tss2_MU_TPM2B_PRIVATE_Marshal(&area, buffer, sizeof buffer, &offset), "marshal");
  return Bytes(buffer, buffer + offset);
}

Primaries::Primaries(Connection& connection, Sessions& sessions, EkTemplate ekTemplate, Bytes expectedEkName)
    : connection_(connection),
      sessions_(sessions),
      ekTemplate_(ekTemplate),
      expectedEkName_(std::move(expectedEkName)) {}

EndorsementKey Primaries::deriveEk(EkTemplate which) {
  EndorsementKey key;
  const Sessions::Authorization authorization = sessions_.endorsement(ESYS_TR_NONE);
  createPrimary(connection_, ESYS_TR_RH_ENDORSEMENT, authorization.get(), tpe::ekTemplate(which), key,
                "TPM2_CreatePrimary (EK)");
  key.derivedFrom = which;
  return key;
}

EndorsementKey Primaries::persistentEk() {
  EndorsementKey persistent;
  EsysPointer<TPM2B_PUBLIC> area;
  if (!readPersistent(connection_, kEkHandle, persistent, area)) return EndorsementKey{};
  const bool suitable = fits(*area, tpe::ekTemplate(EkTemplate::tcg));
  if (suitable && isExpected(persistent)) return persistent;
  if (expectedEkName_.empty()) {
    throw Failure{"unsuitable", "TPM2_ReadPublic", "0x81010001 holds no RSA-2048 endorsement key of TCG's profile"};
  }
  return EndorsementKey{};
}

EndorsementKey Primaries::endorsementKey() {
  EndorsementKey persistent = persistentEk();
  return persistent.handle.get() == ESYS_TR_NONE ? derivedEk() : std::move(persistent);
}

KnownEndorsementKey Primaries::knownEndorsementKey() {
  {
    const EndorsementKey persistent = persistentEk();
    if (persistent.handle.get() != ESYS_TR_NONE) return {persistent.publicArea, persistent.name, std::nullopt, true};
  }
  if (!known_ || knownGeneration_ != connection_.generation()) derivedEk();
  return *known_;
}

EndorsementKey Primaries::derivedEk() {
  forgetEndorsementKey();
  for (const EkTemplate which :
       {ekTemplate_, ekTemplate_ == EkTemplate::tcg ? EkTemplate::azureLegacy : EkTemplate::tcg}) {
    EndorsementKey derived = deriveEk(which);
    if (!isExpected(derived)) continue;
    known_ = KnownEndorsementKey{derived.publicArea, derived.name, which, false};
    knownGeneration_ = connection_.generation();
    return derived;
  }
  throw Failure{"ekChanged", "TPM2_CreatePrimary", "no template gives the endorsement key that is on record"};
}

StorageRootKey Primaries::storageRootKey() {
  bool stranger = false;
  {
    StorageRootKey persistent;
    EsysPointer<TPM2B_PUBLIC> area;
    if (readPersistent(connection_, kSrkHandle, persistent, area)) {
      if (fits(*area, srkTemplate())) return persistent;
      stranger = true;
    }
  }
  StorageRootKey derived = derivedStorageRootKey();
  derived.strangerAtHandle = stranger;
  return derived;
}

void Primaries::persist() {
  {
    const EndorsementKey ek = endorsementKey();
    if (!ek.handle.persistent()) persistAt(kEkHandle, ek, ek.handle.get());
  }
  const StorageRootKey srk = storageRootKey();
  if (!srk.handle.persistent() && !srk.strangerAtHandle) persistAt(kSrkHandle, srk, ESYS_TR_NONE);
}

void Primaries::persistAt(TPM2_HANDLE handle, const Primary& key, ESYS_TR salt) {
  const Sessions::Authorization owner = sessions_.owner(salt);
  Handle kept(connection_, Handle::Kind::persistent);
  check(Esys_EvictControl(connection_.esys(), ESYS_TR_RH_OWNER, key.handle.get(), owner.get(), ESYS_TR_NONE,
                          ESYS_TR_NONE, handle, kept.out()),
        "TPM2_EvictControl");
}

StorageRootKey Primaries::derivedStorageRootKey() {
  Sessions::Authorization authorization;
  {
    // The EK costs a key derivation, so it salts only a session that carries a value worth it.
    EndorsementKey ek;
    if (sessions_.ownerAuthorizationSet()) ek = endorsementKey();
    authorization = sessions_.owner(ek.handle.get());
  }
  StorageRootKey key;
  createPrimary(connection_, ESYS_TR_RH_OWNER, authorization.get(), srkTemplate(), key, "TPM2_CreatePrimary (SRK)");
  return key;
}

}  // namespace tpe
