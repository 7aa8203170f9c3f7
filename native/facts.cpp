#include "facts.hpp"

namespace tpe {

namespace {

/** Four ASCII characters, first in the most significant byte; padding is left out. */
std::string characters(uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const char letter = static_cast<char>(value >> shift & 0xff);
    if (letter > ' ' && letter <= '~') text += letter;
  }
  return text;
}

Value number(uint32_t value) { return Value{static_cast<double>(value)}; }

}  // namespace

Object facts(Connection& connection) {
  std::string vendor;
  for (TPM2_PT pt = TPM2_PT_VENDOR_STRING_1; pt <= TPM2_PT_VENDOR_STRING_4; pt++) {
    vendor += characters(connection.property(pt));
  }
  const uint32_t permanent = connection.property(TPM2_PT_PERMANENT);
  return Object{
      {"manufacturer", Value{characters(connection.property(TPM2_PT_MANUFACTURER))}},
      {"vendor", Value{vendor}},
      {"firmware1", number(connection.property(TPM2_PT_FIRMWARE_VERSION_1))},
      {"firmware2", number(connection.property(TPM2_PT_FIRMWARE_VERSION_2))},
      {"revision", number(connection.property(TPM2_PT_REVISION))},
      {"lockoutActive", Value{(permanent & TPMA_PERMANENT_INLOCKOUT) != 0}},
      {"lockoutCounter", number(connection.property(TPM2_PT_LOCKOUT_COUNTER))},
      {"lockoutMaxTries", number(connection.property(TPM2_PT_MAX_AUTH_FAIL))},
      {"ownerAuthSet", Value{(permanent & TPMA_PERMANENT_OWNERAUTHSET) != 0}},
      {"endorsementAuthSet", Value{(permanent & TPMA_PERMANENT_ENDORSEMENTAUTHSET) != 0}},
      {"tssVersion", Value{std::string(TPE_TSS_VERSION)}},
  };
}

}  // namespace tpe
