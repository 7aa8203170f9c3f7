#pragma once

#include "connection.hpp"
#include "value.hpp"

namespace tpe {

/** Properties of the TPM for status, check and logs (TPM_CAP_TPM_PROPERTIES). */
Object facts(Connection& connection);

}  // namespace tpe
