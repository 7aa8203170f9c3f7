#include "identity_key.hpp"

#include "esys_memory.hpp"
#include "failure.hpp"
#include "hmac.hpp"

namespace tpe {

namespace {

bool sameName(Connection& connection, ESYS_TR a, ESYS_TR b) {
  EsysPointer<TPM2B_NAME> nameOfA;
  EsysPointer<TPM2B_NAME> nameOfB;
  check(Esys_TR_GetName(connection.esys(), a, nameOfA.out()), "Esys_TR_GetName");
  check(Esys_TR_GetName(connection.esys(), b, nameOfB.out()), "Esys_TR_GetName");
  return nameOfA->size == nameOfB->size && memcmp(nameOfA->name, nameOfB->name, nameOfA->size) == 0;
}

Handle openPersistent(Connection& connection) {
  Handle found(connection, Handle::Kind::persistent);
  const std::vector<uint32_t> there = connection.handles(kIdentityHandle);
  if (there.empty() || there.front() != kIdentityHandle) return found;
  check(Esys_TR_FromTPMPublic(connection.esys(), kIdentityHandle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              found.out()),
        "TPM2_ReadPublic");
  return found;
}

}  // namespace

Handle IdentityKey::loadUnder(const StorageRootKey& srk, const TPM2B_PUBLIC& area, const TPM2B_PRIVATE& secret) {
  Handle loaded(connection_, Handle::Kind::transient);
  check(Esys_Load(connection_.esys(), srk.handle.get(), ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &secret, &area,
                  loaded.out()),
        "TPM2_Load");
  return loaded;
}

Handle IdentityKey::load(const WrappedKey& key) {
  return load(parseHmacKeyPublic(key.area.data(), key.area.size()), key.secret);
}

Handle IdentityKey::load(const TPM2B_PUBLIC& area, const Bytes& wrapped) {
  const TPM2B_PRIVATE secret = parsePrivate(wrapped.data(), wrapped.size());
  bool triedDerived = false;
  try {
    const StorageRootKey srk = primaries_.storageRootKey();
    triedDerived = !srk.handle.persistent();
    return loadUnder(srk, area, secret);
  } catch (const Failure& failure) {
    // Somebody may have put an SRK of his own at 0x81000001 after ours was derived.
    if (triedDerived || failure.command != "TPM2_Load" || baseCode(failure.rc) != TPM2_RC_INTEGRITY) throw;
  }
  return loadUnder(primaries_.derivedStorageRootKey(), area, secret);
}

void IdentityKey::use(const WrappedKey& key) {
  Handle next = load(key);
  static const Bytes proof = {'p', 'r', 'o', 'o', 'f'};
  hmac(connection_, next.get(), proof);
  if (persistent_) next = persist(std::move(next));
  live_ = std::move(next);
  current_ = key;
}

Handle IdentityKey::persist(Handle loaded) {
  Handle found = openPersistent(connection_);
  if (found.valid() && sameName(connection_, found.get(), loaded.get())) return found;
  live_.release();
  if (found.valid()) evict(std::move(found));
  const Sessions::Authorization owner = sessions_.owner(ESYS_TR_NONE);
  Handle kept(connection_, Handle::Kind::persistent);
  check(Esys_EvictControl(connection_.esys(), ESYS_TR_RH_OWNER, loaded.get(), owner.get(), ESYS_TR_NONE, ESYS_TR_NONE,
                          kIdentityHandle, kept.out()),
        "TPM2_EvictControl");
  return kept;
}

void IdentityKey::evict(Handle persistent) {
  const Sessions::Authorization owner = sessions_.owner(ESYS_TR_NONE);
  Handle gone(connection_, Handle::Kind::persistent);
  check(Esys_EvictControl(connection_.esys(), ESYS_TR_RH_OWNER, persistent.get(), owner.get(), ESYS_TR_NONE,
                          ESYS_TR_NONE, kIdentityHandle, gone.out()),
        "TPM2_EvictControl");
  persistent.forget();
  gone.forget();
}

void IdentityKey::evict(const Bytes& area) {
  const Bytes& ours = area.empty() ? current_.area : area;
  if (ours.empty()) return;
  Handle found = openPersistent(connection_);
  if (!found.valid()) return;
  EsysPointer<TPM2B_PUBLIC> there;
  check(Esys_ReadPublic(connection_.esys(), found.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, there.out(), nullptr,
                        nullptr),
        "TPM2_ReadPublic");
  if (marshal(*there) != ours) return;
  live_.release();
  evict(std::move(found));
}

ESYS_TR IdentityKey::handle() {
  if (live_.valid()) return live_.get();
  if (current_.secret.empty()) throw Failure{"noIdentityKey", "TPM2_HMAC", ""};
  use(WrappedKey(current_));
  return live_.get();
}

void IdentityKey::drop() {
  live_.release();
  current_ = WrappedKey{};
}

}  // namespace tpe
