#include "esys_calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tctildr.h>

ESYS_CONTEXT *esys;
static TSS2_TCTI_CONTEXT *tcti;

void must(TSS2_RC rc, const char *what) {
  if (rc == TSS2_RC_SUCCESS) return;
  fprintf(stderr, "bench peer: %s: 0x%x\n", what, rc);
  exit(1);
}

long long nowNs(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

size_t slurp(const char *path, uint8_t *buffer, size_t most) {
  FILE *file = fopen(path, "rb");
  size_t size = file == NULL ? 0 : fread(buffer, 1, most, file);
  if (size == 0) must(1, path);
  fclose(file);
  return size;
}

void openTpm(const char *name) {
  must(Tss2_TctiLdr_Initialize(name, &tcti), "TCTI");
  must(Esys_Initialize(&esys, tcti, NULL), "ESYS");
}

void closeTpm(void) {
  Esys_Finalize(&esys);
  Tss2_TctiLdr_Finalize(&tcti);
}

ESYS_TR persistent(TPM2_HANDLE handle, TPM2B_PUBLIC *area) {
  TPMI_YES_NO more;
  TPMS_CAPABILITY_DATA *found = NULL;
  TPM2B_PUBLIC *read = NULL;
  TPM2B_NAME *name = NULL;
  TPM2B_NAME *qualified = NULL;
  ESYS_TR object;
  must(Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, handle, 1, &more, &found),
       "GetCapability");
  must(Esys_TR_FromTPMPublic(esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &object), "TR_FromTPMPublic");
  must(Esys_ReadPublic(esys, object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &read, &name, &qualified), "ReadPublic");
  if (area != NULL) *area = *read;
  Esys_Free(found);
  Esys_Free(read);
  Esys_Free(name);
  Esys_Free(qualified);
  return object;
}

void parseAuthenticationKey(const uint8_t *b, size_t n, AuthenticationKey *key) {
  size_t at = 0;
  memset(key, 0, sizeof *key);
  must(Tss2_MU_TPM2B_ID_OBJECT_Unmarshal(b, n, &at, &key->credential), "field 1");
  must(Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(b, n, &at, &key->credentialSeed), "field 2");
  must(Tss2_MU_TPM2B_PRIVATE_Unmarshal(b, n, &at, &key->duplicate), "field 3");
  must(Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(b, n, &at, &key->duplicateSeed), "field 4");
  must(Tss2_MU_TPM2B_PUBLIC_Unmarshal(b, n, &at, &key->area), "field 5");
}

static ESYS_TR session(TPM2_SE type, ESYS_TR salt, TPM2_ALG_ID algorithm) {
  TPMT_SYM_DEF symmetric = {.algorithm = algorithm, .keyBits = {.aes = 128}, .mode = {.aes = TPM2_ALG_CFB}};
  ESYS_TR made;
  must(Esys_StartAuthSession(esys, salt, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, type, &symmetric,
                             TPM2_ALG_SHA256, &made),
       "StartAuthSession");
  return made;
}

void activate(const AuthenticationKey *key, TPM2B_PRIVATE *wrapped) {
  ESYS_TR ek = persistent(EK_HANDLE, NULL);
  ESYS_TR srk = persistent(SRK_HANDLE, NULL);
  ESYS_TR salted = session(TPM2_SE_HMAC, ek, TPM2_ALG_AES);
  ESYS_TR policy = session(TPM2_SE_POLICY, ESYS_TR_NONE, TPM2_ALG_NULL);
  TPM2B_AUTH none = {0};
  TPM2B_DIGEST *credential = NULL;
  TPM2B_PRIVATE *imported = NULL;
  must(Esys_TR_SetAuth(esys, ESYS_TR_RH_ENDORSEMENT, &none), "TR_SetAuth");
  must(Esys_PolicySecret(esys, ESYS_TR_RH_ENDORSEMENT, policy, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL,
                         NULL, 0, NULL, NULL),
       "PolicySecret");
  must(Esys_TRSess_SetAttributes(esys, salted, TPMA_SESSION_ENCRYPT | TPMA_SESSION_CONTINUESESSION, 0xff), "attributes");
  must(Esys_ActivateCredential(esys, srk, ek, salted, policy, ESYS_TR_NONE, &key->credential, &key->credentialSeed,
                               &credential),
       "ActivateCredential");
  flush(policy);
  TPM2B_DATA inner = {.size = credential->size};
  memcpy(inner.buffer, credential->buffer, credential->size);
  TPMT_SYM_DEF_OBJECT wrap = {
      .algorithm = TPM2_ALG_AES, .keyBits = {.aes = (TPM2_KEY_BITS)(inner.size * 8)}, .mode = {.aes = TPM2_ALG_CFB}};
  must(Esys_TRSess_SetAttributes(esys, salted, TPMA_SESSION_DECRYPT | TPMA_SESSION_CONTINUESESSION, 0xff), "attributes");
  must(Esys_Import(esys, srk, salted, ESYS_TR_NONE, ESYS_TR_NONE, &inner, &key->area, &key->duplicate,
                   &key->duplicateSeed, &wrap, &imported),
       "Import");
  flush(salted);
  *wrapped = *imported;
  Esys_Free(credential);
  Esys_Free(imported);
  Esys_TR_Close(esys, &srk);
  Esys_TR_Close(esys, &ek);
}

ESYS_TR loadKey(const TPM2B_PUBLIC *area, const TPM2B_PRIVATE *wrapped) {
  ESYS_TR srk = persistent(SRK_HANDLE, NULL);
  ESYS_TR key;
  must(Esys_Load(esys, srk, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, wrapped, area, &key), "Load");
  Esys_TR_Close(esys, &srk);
  return key;
}

void sign(ESYS_TR key, const void *data, size_t size, uint8_t digest[32]) {
  TPM2B_MAX_BUFFER buffer = {.size = (UINT16)size};
  TPM2B_DIGEST *made = NULL;
  memcpy(buffer.buffer, data, size);
  must(Esys_HMAC(esys, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &buffer, TPM2_ALG_NULL, &made), "HMAC");
  memcpy(digest, made->buffer, 32);
  Esys_Free(made);
}

void flush(ESYS_TR object) { must(Esys_FlushContext(esys, object), "FlushContext"); }
