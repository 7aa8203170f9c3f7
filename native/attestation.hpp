#pragma once

#include "activation.hpp"
#include "identity_key.hpp"

namespace tpe {

/**
 * Makes the attestation key: ECC P-256 under the SRK, restricted signing, fixedTPM (attributes 0x50472). noDA is part
 * of it: a key that was in use at a power cut would otherwise count as a failed authorization.
 */
WrappedKey createAttestationKey(Connection& connection, Primaries& primaries);

/**
 * ActivateCredential with the attestation key, never the SRK: a challenge of DPS, bound to the SRK, fails here.
 * @return the credential, which crosses the bus encrypted.
 */
Bytes activateWithAttestationKey(Connection& connection, Sessions& sessions, Primaries& primaries,
                                 IdentityKey& identity, const WrappedKey& key, const Bytes& credentialBlob,
                                 const Bytes& secret);

}  // namespace tpe
