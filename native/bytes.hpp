#pragma once

#include <cstdint>
#include <vector>

namespace tpe {

using Bytes = std::vector<uint8_t>;

}  // namespace tpe
