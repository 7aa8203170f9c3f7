// libFuzzer target: everything in the addon that parses bytes from outside without a TPM.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "../../native/blob.hpp"
#include "../../native/failure.hpp"
#include "../../native/response_shape.hpp"

namespace {

/** Parses; anything but success or a Failure of kind `blob` ends the run. */
template <typename Parse>
void mustParseOrRefuse(Parse parse) {
  try {
    parse();
  } catch (const tpe::Failure& failure) {
    if (failure.kind != "blob" || failure.reason.empty()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  // Exactly as large as the input, so that a read past its end is seen.
  uint8_t* copy = static_cast<uint8_t*>(std::malloc(std::max<size_t>(size, 1)));
  if (size > 0) std::memcpy(copy, bytes, size);
  mustParseOrRefuse([&] { tpe::parseAuthenticationKey(copy, size); });
  mustParseOrRefuse([&] { tpe::parseHmacKeyPublic(copy, size); });
  mustParseOrRefuse([&] { tpe::parsePrivate(copy, size); });
  if (size >= 4) tpe::whatIsMalformed(tpe::readBigEndian(copy, 4), copy + 4, size - 4);
  std::free(copy);
  return 0;
}
