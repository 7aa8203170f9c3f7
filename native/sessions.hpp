#pragma once

#include "bytes.hpp"
#include "handles.hpp"

namespace tpe {

/** Starts sessions and keeps the hierarchies' authorization values. */
class Sessions {
 public:
  explicit Sessions(Connection& connection) : connection_(connection) {}
  ~Sessions();
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  void setAuthorizations(Bytes owner, Bytes endorsement);

  /**
   * HMAC session with AES-128-CFB parameter encryption whose key only the TPM can know: its salt is encrypted to the EK
   * (TPM 2.0 Part 1, 19.6.8).
   */
  Handle salted(ESYS_TR ek);
  /** Policy session satisfied by the endorsement authorization (PolicySecret), as the EK demands. */
  Handle endorsementPolicy(ESYS_TR ek);

  /** Authorizes a command with a hierarchy's value: a password session when it is empty, else an HMAC session. */
  class Authorization {
   public:
    ESYS_TR get() const { return session_.get() == ESYS_TR_NONE ? ESYS_TR_PASSWORD : session_.get(); }

   private:
    friend class Sessions;
    Handle session_;
  };
  /** @param ek salts the session; ESYS_TR_NONE when the EK is not known yet. */
  Authorization owner(ESYS_TR ek) { return hierarchy(ESYS_TR_RH_OWNER, owner_, ek); }
  Authorization endorsement(ESYS_TR ek) { return hierarchy(ESYS_TR_RH_ENDORSEMENT, endorsement_, ek); }
  bool ownerAuthorizationSet() const { return !owner_.empty(); }

  /** Which parameters the session encrypts from now on: TPMA_SESSION_DECRYPT (command), TPMA_SESSION_ENCRYPT (response). */
  void protect(const Handle& session, TPMA_SESSION direction);

 private:
  Authorization hierarchy(ESYS_TR handle, const Bytes& value, ESYS_TR ek);
  Handle start(TPM2_SE type, ESYS_TR salt, const TPMT_SYM_DEF& symmetric);

  Connection& connection_;
  Bytes owner_;
  Bytes endorsement_;
};

}  // namespace tpe
