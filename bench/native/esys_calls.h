/* The ESYS calls and sessions of the addon, without the addon: what both C peers are made of. Any error ends the program. */
#ifndef ESYS_CALLS_H
#define ESYS_CALLS_H

#include <stddef.h>
#include <stdint.h>
#include <tss2/tss2_esys.h>

#define EK_HANDLE 0x81010001
#define SRK_HANDLE 0x81000001

/* The fields of an authenticationKey of DPS, in their order. */
typedef struct {
  TPM2B_ID_OBJECT credential;
  TPM2B_ENCRYPTED_SECRET credentialSeed;
  TPM2B_PRIVATE duplicate;
  TPM2B_ENCRYPTED_SECRET duplicateSeed;
  TPM2B_PUBLIC area;
} AuthenticationKey;

extern ESYS_CONTEXT *esys;

void must(TSS2_RC rc, const char *what);
long long nowNs(void);
size_t slurp(const char *path, uint8_t *buffer, size_t most);

void openTpm(const char *tcti);
void closeTpm(void);

/* What is persistent is looked for, opened and read, as the addon does it; `area` may be NULL. */
ESYS_TR persistent(TPM2_HANDLE handle, TPM2B_PUBLIC *area);
void parseAuthenticationKey(const uint8_t *bytes, size_t size, AuthenticationKey *key);
/* ActivateCredential and Import, each in the direction of its secret protected by one salted session. */
void activate(const AuthenticationKey *key, TPM2B_PRIVATE *wrapped);
/* Under the SRK, which is looked for first. */
ESYS_TR loadKey(const TPM2B_PUBLIC *area, const TPM2B_PRIVATE *wrapped);
void sign(ESYS_TR key, const void *data, size_t size, uint8_t digest[32]);
void flush(ESYS_TR object);

#endif
