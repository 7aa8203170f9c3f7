#include "hmac.hpp"

#include <algorithm>

#include "esys_memory.hpp"
#include "failure.hpp"
#include "handles.hpp"

namespace tpe {

namespace {

/** Every TPM takes this much at once (TPM 2.0 Part 2, MAX_DIGEST_BUFFER). */
constexpr size_t kInputBuffer = TPM2_MAX_DIGEST_BUFFER;

TPM2B_MAX_BUFFER slice(const Bytes& data, size_t from, size_t count) {
  TPM2B_MAX_BUFFER buffer{};
  buffer.size = static_cast<uint16_t>(count);
  std::copy_n(data.begin() + static_cast<ptrdiff_t>(from), count, buffer.buffer);
  return buffer;
}

Bytes toBytes(const TPM2B_DIGEST& digest) { return Bytes(digest.buffer, digest.buffer + digest.size); }

Bytes hmacInSequence(Connection& connection, ESYS_TR key, const Bytes& data) {
  const TPM2B_AUTH noAuth{};
  Handle sequence(connection, Handle::Kind::transient);
  check(Esys_HMAC_Start(connection.esys(), key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &noAuth, TPM2_ALG_NULL,
                        sequence.out()),
        "TPM2_HMAC_Start");
  size_t offset = 0;
  for (; data.size() - offset > kInputBuffer; offset += kInputBuffer) {
    const TPM2B_MAX_BUFFER part = slice(data, offset, kInputBuffer);
    check(Esys_SequenceUpdate(connection.esys(), sequence.get(), ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &part),
          "TPM2_SequenceUpdate");
  }
  const TPM2B_MAX_BUFFER rest = slice(data, offset, data.size() - offset);
  EsysPointer<TPM2B_DIGEST> digest;
  EsysPointer<TPMT_TK_HASHCHECK> ticket;
  check(Esys_SequenceComplete(connection.esys(), sequence.get(), ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &rest,
                              ESYS_TR_RH_NULL, digest.out(), ticket.out()),
        "TPM2_SequenceComplete");
  sequence.forget();
  return toBytes(*digest);
}

}  // namespace

Bytes hmac(Connection& connection, ESYS_TR key, const Bytes& data) {
  if (data.size() > kInputBuffer) return hmacInSequence(connection, key, data);
  const TPM2B_MAX_BUFFER whole = slice(data, 0, data.size());
  EsysPointer<TPM2B_DIGEST> digest;
  check(Esys_HMAC(connection.esys(), key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &whole, TPM2_ALG_NULL,
                  digest.out()),
        "TPM2_HMAC");
  return toBytes(*digest);
}

}  // namespace tpe
