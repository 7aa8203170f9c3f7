#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <cstddef>
#include <cstdint>

namespace tpe {

/** What a DPS `authenticationKey` carries for the TPM: a credential and a duplicated HMAC key. */
struct AuthenticationKeyBlob {
  TPM2B_ID_OBJECT credential;
  TPM2B_ENCRYPTED_SECRET credentialSeed;
  TPM2B_PRIVATE duplicate;
  TPM2B_ENCRYPTED_SECRET duplicateSeed;
  TPM2B_PUBLIC area;
};

/**
 * Parses the five TPM fields; the sixth, Azure's own data, is of free form and must only be whole.
 * @throws Failure `blob`: a field is cut, its size is wrong, bytes are left over, or the key is no SHA-256 HMAC key
 * that may sign and nothing else.
 */
AuthenticationKeyBlob parseAuthenticationKey(const uint8_t* bytes, size_t size);

/** @throws Failure `blob` unless this is a TPM2B_PUBLIC of an HMAC key as above, and nothing follows it. */
TPM2B_PUBLIC parseHmacKeyPublic(const uint8_t* bytes, size_t size);
/** @throws Failure `blob` unless this is one TPM2B_PRIVATE, and nothing follows it. */
TPM2B_PRIVATE parsePrivate(const uint8_t* bytes, size_t size);

}  // namespace tpe
