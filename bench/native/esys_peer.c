/*
 * The least that can be done: the same ESYS calls and sessions as the addon makes, in a plain C loop.
 * usage: esys_peer TCTI PUBLIC PRIVATE BLOB     (files: TPM2B_PUBLIC, TPM2B_PRIVATE, authenticationKey)
 * Reads lines "sign N" or "activate N" and answers each with the nanoseconds of every operation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tctildr.h>

#define EK_HANDLE 0x81010001
#define SRK_HANDLE 0x81000001
#define MOST 100000

static ESYS_CONTEXT *esys;

static void must(TSS2_RC rc, const char *what) {
  if (rc == TSS2_RC_SUCCESS) return;
  fprintf(stderr, "esys_peer: %s: 0x%x\n", what, rc);
  exit(1);
}

static size_t slurp(const char *path, uint8_t *buffer, size_t most) {
  FILE *file = fopen(path, "rb");
  size_t size = file == NULL ? 0 : fread(buffer, 1, most, file);
  if (size == 0) must(1, path);
  fclose(file);
  return size;
}

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* What is persistent is looked for, opened and read, as the addon does it. */
static ESYS_TR persistent(TPM2_HANDLE handle) {
  TPMI_YES_NO more;
  TPMS_CAPABILITY_DATA *found = NULL;
  TPM2B_PUBLIC *area = NULL;
  TPM2B_NAME *name = NULL;
  TPM2B_NAME *qualified = NULL;
  ESYS_TR object;
  must(Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, handle, 1, &more, &found),
       "GetCapability");
  must(Esys_TR_FromTPMPublic(esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &object), "TR_FromTPMPublic");
  must(Esys_ReadPublic(esys, object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &area, &name, &qualified), "ReadPublic");
  Esys_Free(found);
  Esys_Free(area);
  Esys_Free(name);
  Esys_Free(qualified);
  return object;
}

static ESYS_TR load(const char *publicFile, const char *privateFile) {
  uint8_t buffer[4096];
  size_t offset = 0;
  TPM2B_PUBLIC area = {0};
  TPM2B_PRIVATE secret = {0};
  ESYS_TR key;
  size_t size = slurp(publicFile, buffer, sizeof buffer);
  must(Tss2_MU_TPM2B_PUBLIC_Unmarshal(buffer, size, &offset, &area), "public");
  size = slurp(privateFile, buffer, sizeof buffer);
  offset = 0;
  must(Tss2_MU_TPM2B_PRIVATE_Unmarshal(buffer, size, &offset, &secret), "private");
  ESYS_TR srk = persistent(SRK_HANDLE);
  must(Esys_Load(esys, srk, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &secret, &area, &key), "Load");
  Esys_TR_Close(esys, &srk);
  return key;
}

static void signOnce(ESYS_TR key) {
  TPM2B_MAX_BUFFER data = {.size = 96};
  TPM2B_DIGEST *digest = NULL;
  must(Esys_HMAC(esys, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data, TPM2_ALG_NULL, &digest), "HMAC");
  Esys_Free(digest);
}

static ESYS_TR session(TPM2_SE type, ESYS_TR salt, TPM2_ALG_ID algorithm) {
  TPMT_SYM_DEF symmetric = {.algorithm = algorithm, .keyBits = {.aes = 128}, .mode = {.aes = TPM2_ALG_CFB}};
  ESYS_TR made;
  must(Esys_StartAuthSession(esys, salt, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, type, &symmetric,
                             TPM2_ALG_SHA256, &made),
       "StartAuthSession");
  return made;
}

static struct {
  TPM2B_ID_OBJECT credential;
  TPM2B_ENCRYPTED_SECRET credentialSeed;
  TPM2B_PRIVATE duplicate;
  TPM2B_ENCRYPTED_SECRET duplicateSeed;
  TPM2B_PUBLIC area;
} blob;

static void readBlob(const char *path) {
  uint8_t b[4096];
  size_t n = slurp(path, b, sizeof b);
  size_t at = 0;
  must(Tss2_MU_TPM2B_ID_OBJECT_Unmarshal(b, n, &at, &blob.credential), "field 1");
  must(Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(b, n, &at, &blob.credentialSeed), "field 2");
  must(Tss2_MU_TPM2B_PRIVATE_Unmarshal(b, n, &at, &blob.duplicate), "field 3");
  must(Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(b, n, &at, &blob.duplicateSeed), "field 4");
  must(Tss2_MU_TPM2B_PUBLIC_Unmarshal(b, n, &at, &blob.area), "field 5");
}

static void activateOnce(void) {
  ESYS_TR ek = persistent(EK_HANDLE);
  ESYS_TR srk = persistent(SRK_HANDLE);
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
  must(Esys_ActivateCredential(esys, srk, ek, salted, policy, ESYS_TR_NONE, &blob.credential, &blob.credentialSeed,
                               &credential),
       "ActivateCredential");
  must(Esys_FlushContext(esys, policy), "FlushContext");
  TPM2B_DATA inner = {.size = credential->size};
  memcpy(inner.buffer, credential->buffer, credential->size);
  TPMT_SYM_DEF_OBJECT wrap = {
      .algorithm = TPM2_ALG_AES, .keyBits = {.aes = (TPM2_KEY_BITS)(inner.size * 8)}, .mode = {.aes = TPM2_ALG_CFB}};
  must(Esys_TRSess_SetAttributes(esys, salted, TPMA_SESSION_DECRYPT | TPMA_SESSION_CONTINUESESSION, 0xff), "attributes");
  must(Esys_Import(esys, srk, salted, ESYS_TR_NONE, ESYS_TR_NONE, &inner, &blob.area, &blob.duplicate,
                   &blob.duplicateSeed, &wrap, &imported),
       "Import");
  must(Esys_FlushContext(esys, salted), "FlushContext");
  Esys_Free(credential);
  Esys_Free(imported);
  Esys_TR_Close(esys, &srk);
  Esys_TR_Close(esys, &ek);
}

int main(int argc, char **argv) {
  TSS2_TCTI_CONTEXT *tcti = NULL;
  if (argc != 5) {
    fprintf(stderr, "usage: esys_peer TCTI PUBLIC PRIVATE BLOB\n");
    return 2;
  }
  must(Tss2_TctiLdr_Initialize(argv[1], &tcti), "TCTI");
  must(Esys_Initialize(&esys, tcti, NULL), "ESYS");
  readBlob(argv[4]);
  static long long taken[MOST];
  char what[16];
  int count;
  printf("ready\n");
  fflush(stdout);
  while (scanf("%15s %d", what, &count) == 2 && count > 0 && count <= MOST) {
    int signing = strcmp(what, "sign") == 0;
    /* Held no longer: the TPM has three slots, and an activation takes two beside the addon's key. */
    ESYS_TR key = signing ? load(argv[2], argv[3]) : ESYS_TR_NONE;
    for (int i = 0; i < count; i++) {
      long long from = now();
      if (signing) signOnce(key);
      else activateOnce();
      taken[i] = now() - from;
    }
    if (signing) must(Esys_FlushContext(esys, key), "FlushContext");
    for (int i = 0; i < count; i++) printf("%lld ", taken[i]);
    printf("\n");
    fflush(stdout);
  }
  Esys_Finalize(&esys);
  Tss2_TctiLdr_Finalize(&tcti);
  return 0;
}
