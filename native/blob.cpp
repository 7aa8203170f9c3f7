#include "blob.hpp"

#include <tss2/tss2_mu.h>

#include "failure.hpp"

namespace tpe {

namespace {

[[noreturn]] void refuse(const std::string& reason) { throw Failure{"blob", "parse", reason}; }

class Reader {
 public:
  Reader(const uint8_t* bytes, size_t size) : bytes_(bytes), size_(size) {}

  template <typename T, typename Unmarshal>
  T field(const char* name, Unmarshal unmarshal) {
    const size_t declared = declaredSize(name);
    if (declared == 0) refuse(std::string(name) + " is empty");
    const size_t end = offset_ + 2 + declared;
    T value{};
    // Bounded to this field, so that a wrong inner size cannot borrow from the next one.
    if (unmarshal(bytes_, end, &offset_, &value) != TSS2_RC_SUCCESS || offset_ != end) {
      refuse(std::string(name) + " is malformed");
    }
    return value;
  }

  /** TPM2B_DATA holds 64 bytes at most, this field is larger: only its extent is checked. */
  void skip(const char* name) { offset_ += 2 + declaredSize(name); }

  void end() const {
    if (offset_ != size_) refuse(std::to_string(size_ - offset_) + " bytes are left over");
  }

 private:
  size_t declaredSize(const char* name) const {
    if (size_ - offset_ < 2) refuse(std::string(name) + " is missing");
    const size_t declared = static_cast<size_t>(bytes_[offset_]) << 8 | bytes_[offset_ + 1];
    if (declared > size_ - offset_ - 2) refuse(std::string(name) + " is cut");
    return declared;
  }

  const uint8_t* bytes_;
  size_t size_;
  size_t offset_ = 0;
};

void requireHmacKey(const TPM2B_PUBLIC& key) {
  const TPMT_PUBLIC& area = key.publicArea;
  const TPMT_KEYEDHASH_SCHEME& scheme = area.parameters.keyedHashDetail.scheme;
  if (area.type != TPM2_ALG_KEYEDHASH) refuse("the key is not a keyed hash");
  if (area.nameAlg != TPM2_ALG_SHA256) refuse("the key's name algorithm is not SHA-256");
  if (scheme.scheme != TPM2_ALG_HMAC) refuse("the key's scheme is not HMAC");
  if (scheme.details.hmac.hashAlg != TPM2_ALG_SHA256) refuse("the key's HMAC is not SHA-256");
  if ((area.objectAttributes & TPMA_OBJECT_SIGN_ENCRYPT) == 0) refuse("the key may not sign");
  if ((area.objectAttributes & TPMA_OBJECT_DECRYPT) != 0) refuse("the key may decrypt");
  if ((area.objectAttributes & TPMA_OBJECT_RESTRICTED) != 0) refuse("the key is restricted");
}

TPM2B_PUBLIC publicField(Reader& reader) {
  return reader.field<TPM2B_PUBLIC>("public", Tss2_MU_TPM2B_PUBLIC_Unmarshal);
}

}  // namespace

AuthenticationKeyBlob parseAuthenticationKey(const uint8_t* bytes, size_t size) {
  Reader reader(bytes, size);
  AuthenticationKeyBlob blob{};
  blob.credential = reader.field<TPM2B_ID_OBJECT>("credential", Tss2_MU_TPM2B_ID_OBJECT_Unmarshal);
  blob.credentialSeed =
      reader.field<TPM2B_ENCRYPTED_SECRET>("credential seed", Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal);
  blob.duplicate = reader.field<TPM2B_PRIVATE>("duplicate", Tss2_MU_TPM2B_PRIVATE_Unmarshal);
  blob.duplicateSeed =
      reader.field<TPM2B_ENCRYPTED_SECRET>("duplicate seed", Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal);
  blob.area = publicField(reader);
  reader.skip("encrypted data");
  reader.end();
  requireHmacKey(blob.area);
  return blob;
}

TPM2B_PUBLIC parseHmacKeyPublic(const uint8_t* bytes, size_t size) {
  Reader reader(bytes, size);
  const TPM2B_PUBLIC area = publicField(reader);
  reader.end();
  requireHmacKey(area);
  return area;
}

TPM2B_PRIVATE parsePrivate(const uint8_t* bytes, size_t size) {
  Reader reader(bytes, size);
  const TPM2B_PRIVATE area = reader.field<TPM2B_PRIVATE>("private", Tss2_MU_TPM2B_PRIVATE_Unmarshal);
  reader.end();
  return area;
}

}  // namespace tpe
