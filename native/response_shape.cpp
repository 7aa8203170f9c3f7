#include "response_shape.hpp"

#include <tss2/tss2_tpm2_types.h>

namespace tpe {

namespace {

/** Walks over fields; once one does not fit, the walk has failed for good. */
class Walk {
 public:
  Walk(const uint8_t* bytes, size_t size, size_t offset) : bytes_(bytes), size_(size), offset_(offset) {}

  uint32_t number(size_t count) {
    if (size_ - offset_ < count) return fail();
    const uint32_t value = readBigEndian(bytes_ + offset_, count);
    offset_ += count;
    return value;
  }
  void skip(size_t count) {
    if (size_ - offset_ < count) {
      fail();
    } else {
      offset_ += count;
    }
  }
  /** `count` elements of `each` bytes; a product would overflow where size_t has 32 bits. */
  void elements(size_t count, size_t each) {
    if ((size_ - offset_) / each < count) {
      fail();
    } else {
      offset_ += count * each;
    }
  }
  void sized() { skip(number(2)); }
  bool atEnd() const { return ok_ && offset_ == size_; }
  bool ok() const { return ok_; }

 private:
  uint32_t fail() {
    ok_ = false;
    offset_ = size_;
    return 0;
  }

  const uint8_t* bytes_;
  size_t size_;
  size_t offset_;
  bool ok_ = true;
};

bool returnsHandle(uint32_t commandCode) {
  return commandCode == TPM2_CC_Load || commandCode == TPM2_CC_CreatePrimary ||
         commandCode == TPM2_CC_StartAuthSession || commandCode == TPM2_CC_HMAC_Start;
}

void capability(Walk& walk) {
  walk.skip(1);
  const uint32_t what = walk.number(4);
  const uint32_t count = walk.number(4);
  if (what == TPM2_CAP_HANDLES) walk.elements(count, 4);
  if (what == TPM2_CAP_TPM_PROPERTIES) walk.elements(count, 8);
}

/** Parameters of the commands that we send without sessions. */
void parameters(uint32_t commandCode, Walk& walk) {
  switch (commandCode) {
    case TPM2_CC_GetCapability:
      return capability(walk);
    case TPM2_CC_GetRandom:
    case TPM2_CC_StartAuthSession:
      return walk.sized();
    case TPM2_CC_NV_ReadPublic:
      walk.sized();
      return walk.sized();
    case TPM2_CC_ReadPublic:
      walk.sized();
      walk.sized();
      return walk.sized();
    default:
      return;
  }
}

}  // namespace

uint32_t readBigEndian(const uint8_t* bytes, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; i++) value = value << 8 | bytes[i];
  return value;
}

bool isFromTpm12(const uint8_t* response, size_t size) {
  return size >= kHeaderSize && readBigEndian(response, 2) == TPM2_ST_RSP_COMMAND;
}

const char* whatIsMalformed(uint32_t commandCode, const uint8_t* response, size_t size) {
  if (size < kHeaderSize) return "the response is shorter than its header";
  if (readBigEndian(response + 2, 4) != size) return "the response is not as long as its header says";
  const uint32_t tag = readBigEndian(response, 2);
  const uint32_t code = readBigEndian(response + 6, 4);
  if (code != TPM2_RC_SUCCESS) {
    if (tag != TPM2_ST_NO_SESSIONS) return "a refusal has the wrong tag";
    return size == kHeaderSize ? nullptr : "a refusal carries parameters";
  }
  Walk walk(response, size, kHeaderSize);
  if (returnsHandle(commandCode)) walk.skip(4);
  if (tag == TPM2_ST_NO_SESSIONS) {
    parameters(commandCode, walk);
    return walk.atEnd() ? nullptr : "the response does not end where its parameters end";
  }
  if (tag != TPM2_ST_SESSIONS) return "the response has an unknown tag";
  walk.skip(walk.number(4));
  if (!walk.ok() || walk.atEnd()) return "the response has no authorization area";
  while (walk.ok() && !walk.atEnd()) {
    walk.sized();
    walk.skip(1);
    walk.sized();
  }
  return walk.atEnd() ? nullptr : "the response does not end where its authorization area ends";
}

}  // namespace tpe
