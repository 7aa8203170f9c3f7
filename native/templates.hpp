#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <cstdint>

namespace tpe {

constexpr TPM2_HANDLE kEkHandle = 0x81010001;
constexpr TPM2_HANDLE kSrkHandle = 0x81000001;
/** Where Microsoft's SDKs keep the identity key; used only with `identityKey = "persistent"`. */
constexpr TPM2_HANDLE kIdentityHandle = 0x81000100;

enum class EkTemplate { tcg, azureLegacy };

/** TCG EK Credential Profile 2.x, template L-1 (RSA-2048); azure-legacy leaves `unique` empty. */
TPM2B_PUBLIC ekTemplate(EkTemplate which);
/** TCG TPM v2.0 Provisioning Guidance 7.5.1: RSA-2048 storage key, noDA, 256 zero bytes in `unique`. */
TPM2B_PUBLIC srkTemplate();

/** RSA-2048, restricted decryption with AES-128-CFB and the attributes and policy of `wanted`. */
bool fits(const TPM2B_PUBLIC& found, const TPM2B_PUBLIC& wanted);

}  // namespace tpe
