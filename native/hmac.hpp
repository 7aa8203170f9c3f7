#pragma once

#include "bytes.hpp"
#include "connection.hpp"

namespace tpe {

/** HMAC-SHA256 with a loaded key; above TPM_PT_INPUT_BUFFER through a sequence object, which takes a transient slot. */
Bytes hmac(Connection& connection, ESYS_TR key, const Bytes& data);

}  // namespace tpe
