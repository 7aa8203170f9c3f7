#pragma once

#include <tss2/tss2_common.h>

#include <string>

namespace tpe {

/** What a verb failed with; crosses to JavaScript as an Error with the same fields. */
struct Failure {
  /**
   * `rc`: a TPM or tpm2-tss return code; `blob`: a sized field or a key type is wrong; `keyBlob`: the same in a stored key; `unsuitable`: an object at a
   * well-known handle is not what it must be; `ekChanged`, `noIdentityKey`, `closed`, `timeout`, `malformed`, `tpm12`.
   */
  std::string kind;
  /** TPM command, e.g. `TPM2_Import`, or the step that failed. */
  std::string command;
  std::string reason;
  TSS2_RC rc = TSS2_RC_SUCCESS;
};

/** @throws Failure of kind `rc` unless `rc` is success. */
void check(TSS2_RC rc, const char* command);

/** True when a TPM or its resource manager answered this; false when the answer was lost on the way. */
bool answeredByTpm(TSS2_RC rc);

/** The TPM's own code without handle, session and parameter number (TPM 2.0 Part 2, 6.6); 0 for other layers. */
TSS2_RC baseCode(TSS2_RC rc);

}  // namespace tpe
