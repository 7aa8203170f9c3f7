#include "connection.hpp"

#include <tss2/tss2_tctildr.h>

#include "esys_memory.hpp"
#include "failure.hpp"

namespace tpe {

namespace {

/** TPM2_FlushContext without sessions; ESYS cannot flush a session that it did not start. */
Bytes flushCommand(uint32_t handle) {
  Bytes command = {0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, 0x65};
  for (int shift = 24; shift >= 0; shift -= 8) command.push_back(static_cast<uint8_t>(handle >> shift));
  return command;
}

/** Far more than any TPM holds. */
constexpr size_t kMostHandles = 1024;

/** The answer is a union: read as another kind than it is, it gives nonsense, or bytes beyond its list. */
void requireCapability(const TPMS_CAPABILITY_DATA& data, TPM2_CAP asked) {
  if (data.capability == asked) return;
  throw Failure{"malformed", "TPM2_GetCapability", "the TPM answered with another capability"};
}

}  // namespace

Connection::Connection(ConnectionOptions options) : options_(std::move(options)) {}

Connection::~Connection() { close(); }

void Connection::ensureOpen() {
  if (suspect_) close();
  if (isOpen()) return;
  if (options_.watch->cancelled()) throw Failure{"closed", "open", ""};
  try {
    TSS2_TCTI_CONTEXT* tcti = nullptr;
    check(Tss2_TctiLdr_Initialize(options_.tcti.c_str(), &tcti), "open");
    guard_ = std::make_unique<TctiGuard>(tcti, options_.deadlines, options_.watch);
    check(Esys_Initialize(&esys_, guard_->context(), nullptr), "open");
    generation_++;
    startupIfNeeded();
    flushAll();
  } catch (Failure& failure) {
    explain(failure);
    close();
    throw;
  }
}

void Connection::close() {
  if (esys_ != nullptr) Esys_Finalize(&esys_);
  guard_.reset();
  options_.watch->end();
  suspect_ = false;
}

void Connection::startupIfNeeded() {
  try {
    property(TPM2_PT_FAMILY_INDICATOR);
  } catch (const Failure& failure) {
    if (failure.rc != TPM2_RC_INITIALIZE) throw;
    check(Esys_Startup(esys_, TPM2_SU_CLEAR), "TPM2_Startup");
  }
}

void Connection::flushAll() {
  if (options_.resourceManaged) return;
  for (const uint32_t first : {TPM2_TRANSIENT_FIRST, TPM2_LOADED_SESSION_FIRST, TPM2_ACTIVE_SESSION_FIRST}) {
    for (const uint32_t handle : handles(first)) guard_->exchange(flushCommand(handle), "TPM2_FlushContext");
  }
}

std::vector<uint32_t> Connection::handles(uint32_t first) {
  TPMI_YES_NO more = TPM2_YES;
  std::vector<uint32_t> found;
  uint32_t next = first;
  while (more == TPM2_YES) {
    EsysPointer<TPMS_CAPABILITY_DATA> data;
    check(Esys_GetCapability(esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, next,
                             TPM2_MAX_CAP_HANDLES, &more, data.out()),
          "TPM2_GetCapability");
    requireCapability(*data, TPM2_CAP_HANDLES);
    const TPML_HANDLE& list = data->data.handles;
    if (list.count == 0) break;
    // A list that does not rise, or never ends, would be asked for for ever.
    if (found.size() > kMostHandles) throw Failure{"malformed", "TPM2_GetCapability", "the list of handles has no end"};
    for (UINT32 i = 0; i < list.count; i++) {
      if (list.handle[i] < next) throw Failure{"malformed", "TPM2_GetCapability", "the handles are not in order"};
      next = list.handle[i] + 1;
    }
    found.insert(found.end(), list.handle, list.handle + list.count);
  }
  return found;
}

uint32_t Connection::property(TPM2_PT property) {
  TPMI_YES_NO more = TPM2_NO;
  EsysPointer<TPMS_CAPABILITY_DATA> data;
  check(Esys_GetCapability(esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES, property, 1,
                           &more, data.out()),
        "TPM2_GetCapability");
  requireCapability(*data, TPM2_CAP_TPM_PROPERTIES);
  const TPML_TAGGED_TPM_PROPERTY& list = data->data.tpmProperties;
  return list.count > 0 && list.tpmProperty[0].property == property ? list.tpmProperty[0].value : 0;
}

void Connection::explain(Failure& failure) {
  if (failure.kind != "rc" || answeredByTpm(failure.rc)) return;
  if (guard_ && guard_->fault() == TctiGuard::Fault::silent) failure.kind = "timeout";
  if (guard_ && guard_->fault() == TctiGuard::Fault::malformed) failure.kind = "malformed";
  if (guard_ && guard_->fault() == TctiGuard::Fault::tpm12) failure.kind = "tpm12";
  if (guard_ && guard_->fault() != TctiGuard::Fault::none) failure.reason = guard_->faultReason();
  close();
}

}  // namespace tpe
