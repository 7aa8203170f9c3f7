#include "certificate_store.hpp"

#include <algorithm>

#include "esys_memory.hpp"
#include "failure.hpp"
#include "handles.hpp"

namespace tpe {

namespace {

constexpr uint32_t kRsaCertificate = 0x01c00002;
constexpr uint32_t kEccP256Certificate = 0x01c0000a;
constexpr uint32_t kEccP384Certificate = 0x01c00016;
/** No certificate is larger; an index that claims more is none. */
constexpr uint16_t kLargestCertificate = 8192;
/** Every TPM reads this much at once (PC Client Platform TPM Profile, TPM_PT_NV_BUFFER_MAX is at least 512). */
constexpr uint16_t kChunk = 512;

Bytes readIndex(Connection& connection, Sessions& sessions, uint32_t index) {
  Handle nv(connection, Handle::Kind::persistent);
  check(Esys_TR_FromTPMPublic(connection.esys(), index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, nv.out()),
        "TPM2_NV_ReadPublic");
  EsysPointer<TPM2B_NV_PUBLIC> area;
  EsysPointer<TPM2B_NAME> name;
  check(Esys_NV_ReadPublic(connection.esys(), nv.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, area.out(), name.out()),
        "TPM2_NV_ReadPublic");
  const TPMA_NV attributes = area->nvPublic.attributes;
  const uint16_t size = area->nvPublic.dataSize;
  if ((attributes & TPMA_NV_WRITTEN) == 0 || size > kLargestCertificate) return {};
  const bool byIndex = (attributes & TPMA_NV_AUTHREAD) != 0;
  Sessions::Authorization owner;
  if (!byIndex) owner = sessions.owner(ESYS_TR_NONE);
  Bytes content;
  while (content.size() < size) {
    const uint16_t wanted = std::min<uint16_t>(kChunk, static_cast<uint16_t>(size - content.size()));
    EsysPointer<TPM2B_MAX_NV_BUFFER> part;
    check(Esys_NV_Read(connection.esys(), byIndex ? nv.get() : ESYS_TR_RH_OWNER, nv.get(), owner.get(), ESYS_TR_NONE,
                       ESYS_TR_NONE, wanted, static_cast<uint16_t>(content.size()), part.out()),
          "TPM2_NV_Read");
    if (part->size == 0) throw Failure{"malformed", "TPM2_NV_Read", "the TPM gave no bytes"};
    content.insert(content.end(), part->buffer, part->buffer + part->size);
  }
  return content;
}

}  // namespace

std::vector<StoredCertificate> readEkCertificates(Connection& connection, Sessions& sessions) {
  std::vector<StoredCertificate> found;
  for (const uint32_t index : {kRsaCertificate, kEccP256Certificate, kEccP384Certificate}) {
    const std::vector<uint32_t> there = connection.handles(index);
    if (there.empty() || there.front() != index) continue;
    Bytes content = readIndex(connection, sessions, index);
    if (!content.empty()) found.push_back(StoredCertificate{index, std::move(content)});
  }
  return found;
}

}  // namespace tpe
