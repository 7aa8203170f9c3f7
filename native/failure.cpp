#include "failure.hpp"

#include <tss2/tss2_tpm2_types.h>

namespace tpe {

void check(TSS2_RC rc, const char* command) {
  if (rc != TSS2_RC_SUCCESS) throw Failure{"rc", command, "", rc};
}

bool answeredByTpm(TSS2_RC rc) {
  const TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;
  return layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_TPM_RC_LAYER || layer == TSS2_RESMGR_RC_LAYER;
}

TSS2_RC baseCode(TSS2_RC rc) {
  const TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;
  if (layer != TSS2_TPM_RC_LAYER && layer != TSS2_RESMGR_TPM_RC_LAYER) return 0;
  const TSS2_RC code = rc & 0xfff;
  return (code & TPM2_RC_FMT1) != 0 ? code & 0xbf : code;
}

}  // namespace tpe
