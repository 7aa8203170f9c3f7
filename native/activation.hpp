#pragma once

#include "blob.hpp"
#include "primaries.hpp"

namespace tpe {

/** A key under the SRK in marshalled form: TPM2B_PUBLIC and TPM2B_PRIVATE. */
struct WrappedKey {
  Bytes area;
  Bytes secret;
};

/**
 * ActivateCredential and Import. The inner wrap key stays in this function: it crosses the bus encrypted both ways and
 * is wiped.
 * @param protectBus false only for the test that shows that the recording would find the key.
 */
WrappedKey activate(Connection& connection, Sessions& sessions, Primaries& primaries, const AuthenticationKeyBlob& blob,
                    bool protectBus);

}  // namespace tpe
