/*
 * The least that can be done: the same ESYS calls and sessions as the addon makes, in a plain C loop.
 * usage: esys_peer TCTI PUBLIC PRIVATE BLOB     (files: TPM2B_PUBLIC, TPM2B_PRIVATE, authenticationKey)
 * Reads lines "sign N" or "activate N" and answers each with the nanoseconds of every operation, as JSON.
 */
#include <stdio.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "esys_calls.h"

#define MOST 100000

static TPM2B_PUBLIC area;
static TPM2B_PRIVATE wrapped;
static AuthenticationKey blob;

static void readFiles(char **paths) {
  uint8_t buffer[4096];
  size_t offset = 0;
  size_t size = slurp(paths[0], buffer, sizeof buffer);
  must(Tss2_MU_TPM2B_PUBLIC_Unmarshal(buffer, size, &offset, &area), "public");
  size = slurp(paths[1], buffer, sizeof buffer);
  offset = 0;
  must(Tss2_MU_TPM2B_PRIVATE_Unmarshal(buffer, size, &offset, &wrapped), "private");
  size = slurp(paths[2], buffer, sizeof buffer);
  parseAuthenticationKey(buffer, size, &blob);
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: esys_peer TCTI PUBLIC PRIVATE BLOB\n");
    return 2;
  }
  openTpm(argv[1]);
  readFiles(argv + 2);
  static long long taken[MOST];
  static const char data[96];
  uint8_t digest[32];
  TPM2B_PRIVATE made;
  char what[16];
  int count;
  printf("ready\n");
  fflush(stdout);
  while (scanf("%15s %d", what, &count) == 2 && count > 0 && count <= MOST) {
    int signing = strcmp(what, "sign") == 0;
    /* Held no longer: the TPM has three slots, and an activation takes two beside the addon's key. */
    ESYS_TR key = signing ? loadKey(&area, &wrapped) : ESYS_TR_NONE;
    for (int i = 0; i < count; i++) {
      long long from = nowNs();
      if (signing) sign(key, data, sizeof data, digest);
      else activate(&blob, &made);
      taken[i] = nowNs() - from;
    }
    if (signing) flush(key);
    for (int i = 0; i < count; i++) printf("%s%lld", i == 0 ? "[" : ",", taken[i]);
    printf("]\n");
    fflush(stdout);
  }
  closeTpm();
  return 0;
}
