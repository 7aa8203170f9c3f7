#pragma once

#include <vector>

#include "bytes.hpp"
#include "connection.hpp"
#include "sessions.hpp"

namespace tpe {

/** An EK certificate as the TPM's manufacturer left it (TCG EK Credential Profile, 2.2.1.4). */
struct StoredCertificate {
  /** NV index. */
  uint32_t index;
  /** DER; may be followed by padding. */
  Bytes content;
};

/** Reads the EK certificates that are there: RSA-2048, ECC P-256 and ECC P-384 in the ranges of the profile. */
std::vector<StoredCertificate> readEkCertificates(Connection& connection, Sessions& sessions);

}  // namespace tpe
