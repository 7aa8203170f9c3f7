#include "sessions.hpp"

#include <string.h>

#include <algorithm>

#include "esys_memory.hpp"
#include "failure.hpp"

namespace tpe {

namespace {

TPMT_SYM_DEF aes128Cfb() {
  TPMT_SYM_DEF symmetric{};
  symmetric.algorithm = TPM2_ALG_AES;
  symmetric.keyBits.aes = 128;
  symmetric.mode.aes = TPM2_ALG_CFB;
  return symmetric;
}

TPMT_SYM_DEF noEncryption() {
  TPMT_SYM_DEF symmetric{};
  symmetric.algorithm = TPM2_ALG_NULL;
  return symmetric;
}

void wipe(Bytes& bytes) {
  if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());
  bytes.clear();
}

}  // namespace

Sessions::~Sessions() {
  wipe(owner_);
  wipe(endorsement_);
}

void Sessions::setAuthorizations(Bytes owner, Bytes endorsement) {
  wipe(owner_);
  wipe(endorsement_);
  owner_ = std::move(owner);
  endorsement_ = std::move(endorsement);
}

Handle Sessions::start(TPM2_SE type, ESYS_TR salt, const TPMT_SYM_DEF& symmetric) {
  Handle session(connection_, Handle::Kind::transient);
  check(Esys_StartAuthSession(connection_.esys(), salt, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              nullptr, type, &symmetric, TPM2_ALG_SHA256, session.out()),
        "TPM2_StartAuthSession");
  return session;
}

Handle Sessions::salted(ESYS_TR ek) { return start(TPM2_SE_HMAC, ek, aes128Cfb()); }

Handle Sessions::endorsementPolicy(ESYS_TR ek) {
  const Authorization authorization = endorsement(ek);
  Handle policy = start(TPM2_SE_POLICY, ESYS_TR_NONE, noEncryption());
  check(Esys_PolicySecret(connection_.esys(), ESYS_TR_RH_ENDORSEMENT, policy.get(), authorization.get(), ESYS_TR_NONE,
                          ESYS_TR_NONE, nullptr, nullptr, nullptr, 0, nullptr, nullptr),
        "TPM2_PolicySecret");
  return policy;
}

Sessions::Authorization Sessions::hierarchy(ESYS_TR handle, const Bytes& value, ESYS_TR ek) {
  Wiped<TPM2B_AUTH> auth;
  auth.value.size = static_cast<uint16_t>(std::min(value.size(), sizeof auth.value.buffer));
  std::copy_n(value.begin(), auth.value.size, auth.value.buffer);
  check(Esys_TR_SetAuth(connection_.esys(), handle, &auth.value), "Esys_TR_SetAuth");
  Authorization authorization;
  if (!value.empty()) {
    authorization.session_ = start(TPM2_SE_HMAC, ek, ek == ESYS_TR_NONE ? noEncryption() : aes128Cfb());
  }
  return authorization;
}

void Sessions::protect(const Handle& session, TPMA_SESSION direction) {
  check(Esys_TRSess_SetAttributes(connection_.esys(), session.get(), direction | TPMA_SESSION_CONTINUESESSION, 0xff),
        "Esys_TRSess_SetAttributes");
}

}  // namespace tpe
