#include "templates.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace tpe {

namespace {

/** PolicySecret(TPM_RH_ENDORSEMENT), SHA-256 (TCG EK Credential Profile, B.3.3). */
constexpr uint8_t kEkPolicy[] = {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc,
                                 0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52,
                                 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa};
constexpr TPMA_OBJECT kEkAttributes = 0x000300b2;
constexpr TPMA_OBJECT kSrkAttributes = 0x00030472;
constexpr uint16_t kRsaBytes = 256;

TPM2B_PUBLIC rsaStorageKey(TPMA_OBJECT attributes) {
  TPM2B_PUBLIC key{};
  TPMT_PUBLIC& area = key.publicArea;
  area.type = TPM2_ALG_RSA;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = attributes;
  TPMS_RSA_PARMS& rsa = area.parameters.rsaDetail;
  rsa.symmetric.algorithm = TPM2_ALG_AES;
  rsa.symmetric.keyBits.aes = 128;
  rsa.symmetric.mode.aes = TPM2_ALG_CFB;
  rsa.scheme.scheme = TPM2_ALG_NULL;
  rsa.keyBits = kRsaBytes * 8;
  rsa.exponent = 0;
  area.unique.rsa.size = kRsaBytes;
  return key;
}

}  // namespace

TPM2B_PUBLIC ekTemplate(EkTemplate which) {
  TPM2B_PUBLIC key = rsaStorageKey(kEkAttributes);
  key.publicArea.authPolicy.size = sizeof kEkPolicy;
  std::copy(std::begin(kEkPolicy), std::end(kEkPolicy), key.publicArea.authPolicy.buffer);
  if (which == EkTemplate::azureLegacy) key.publicArea.unique.rsa.size = 0;
  return key;
}

TPM2B_PUBLIC srkTemplate() { return rsaStorageKey(kSrkAttributes); }

bool fits(const TPM2B_PUBLIC& found, const TPM2B_PUBLIC& wanted) {
  const TPMT_PUBLIC& a = found.publicArea;
  const TPMT_PUBLIC& b = wanted.publicArea;
  if (a.type != TPM2_ALG_RSA || a.nameAlg != b.nameAlg || a.objectAttributes != b.objectAttributes) return false;
  if (a.authPolicy.size != b.authPolicy.size) return false;
  if (std::memcmp(a.authPolicy.buffer, b.authPolicy.buffer, b.authPolicy.size) != 0) return false;
  const TPMS_RSA_PARMS& rsa = a.parameters.rsaDetail;
  return rsa.keyBits == kRsaBytes * 8 && a.unique.rsa.size == kRsaBytes && rsa.scheme.scheme == TPM2_ALG_NULL &&
         rsa.symmetric.algorithm == TPM2_ALG_AES && rsa.symmetric.keyBits.aes == 128 &&
         rsa.symmetric.mode.aes == TPM2_ALG_CFB;
}

}  // namespace tpe
