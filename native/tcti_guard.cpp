#include "tcti_guard.hpp"

#include <tss2/tss2_tctildr.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <thread>

#include "exit_gate.hpp"
#include "failure.hpp"
#include "response_shape.hpp"

namespace tpe {

namespace {

constexpr uint64_t kMagic = 0x7470652d67756172;
constexpr std::chrono::milliseconds kWatchMargin{250};
constexpr std::chrono::milliseconds kFirstPause{10};
constexpr std::chrono::milliseconds kLongestPause{1000};

bool isBusy(uint32_t code) {
  return code == TPM2_RC_RETRY || code == TPM2_RC_YIELDED || code == TPM2_RC_TESTING || code == TPM2_RC_NV_RATE;
}

}  // namespace

TctiGuard::TctiGuard(TSS2_TCTI_CONTEXT* inner, const Deadlines& deadlines, std::shared_ptr<CommandWatch> watch)
    : outer_{}, inner_(inner), deadlines_(deadlines), watch_(std::move(watch)) {
  outer_.common.v1.magic = kMagic;
  outer_.common.v1.version = 2;
  outer_.common.v1.transmit = transmit;
  outer_.common.v1.receive = receive;
  outer_.common.v1.cancel = cancel;
  outer_.common.v1.setLocality = setLocality;
  outer_.guard = this;
}

TctiGuard::~TctiGuard() {
  std::fill(command_.begin(), command_.end(), uint8_t{0});
  Tss2_TctiLdr_Finalize(&inner_);
}

TctiGuard& TctiGuard::of(TSS2_TCTI_CONTEXT* context) { return *reinterpret_cast<Outer*>(context)->guard; }

TSS2_RC TctiGuard::transmit(TSS2_TCTI_CONTEXT* context, size_t size, uint8_t const* command) {
  if (size < kHeaderSize || command == nullptr) return TSS2_TCTI_RC_BAD_VALUE;
  TctiGuard& guard = of(context);
  guard.command_.assign(command, command + size);
  guard.response_.clear();
  return guard.send();
}

TSS2_RC TctiGuard::send() {
  if (watch_->cancelled()) return TSS2_TCTI_RC_IO_ERROR;
  // A little more than the TCTI's own deadline, which comes first where there is one.
  watch_->begin(deadline() + kWatchMargin);
  ExitGate::Waiting waiting;
  return Tss2_Tcti_Transmit(inner_, command_.size(), command_.data());
}

TSS2_RC TctiGuard::receive(TSS2_TCTI_CONTEXT* context, size_t* size, uint8_t* response, int32_t) {
  if (size == nullptr) return TSS2_TCTI_RC_BAD_REFERENCE;
  TctiGuard& guard = of(context);
  if (guard.response_.empty()) {
    const TSS2_RC rc = guard.fetch();
    if (rc != TSS2_RC_SUCCESS) return rc;
  }
  const size_t room = *size;
  *size = guard.response_.size();
  // Without a buffer ESYS asks for the size only.
  if (response == nullptr) return TSS2_RC_SUCCESS;
  if (room < *size) return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
  std::copy(guard.response_.begin(), guard.response_.end(), response);
  guard.response_.clear();
  return TSS2_RC_SUCCESS;
}

TSS2_RC TctiGuard::fetch() {
  const auto giveUp = std::chrono::steady_clock::now() + deadlines_.busy;
  for (auto pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    const TSS2_RC rc = await();
    if (rc != TSS2_RC_SUCCESS) return rc;
    const uint32_t commandCode = readBigEndian(command_.data() + 6, 4);
    if (isFromTpm12(response_.data(), response_.size())) return refuse(Fault::tpm12, "its answers are those of a TPM 1.2");
    const char* wrong = whatIsMalformed(commandCode, response_.data(), response_.size());
    if (wrong != nullptr) return refuse(Fault::malformed, wrong);
    const bool busy = isBusy(readBigEndian(response_.data() + 6, 4));
    if (!busy || std::chrono::steady_clock::now() + pause > giveUp) return rc;
    {
      ExitGate::Waiting waiting;
      std::this_thread::sleep_for(pause);
    }
    const TSS2_RC again = send();
    if (again != TSS2_RC_SUCCESS) return again;
  }
}

TSS2_RC TctiGuard::await() {
  ExitGate::Waiting waiting;
  response_.resize(TPM2_MAX_RESPONSE_SIZE);
  size_t size = response_.size();
  const int32_t timeout = keepsDeadlines_ ? static_cast<int32_t>(deadline().count()) : TSS2_TCTI_TIMEOUT_BLOCK;
  TSS2_RC rc = Tss2_Tcti_Receive(inner_, &size, response_.data(), timeout);
  if (rc == TSS2_TCTI_RC_BAD_VALUE && keepsDeadlines_) {
    // The TCTIs for simulators know only blocking; the caller's own deadline covers them.
    keepsDeadlines_ = false;
    size = response_.size();
    rc = Tss2_Tcti_Receive(inner_, &size, response_.data(), TSS2_TCTI_TIMEOUT_BLOCK);
  }
  watch_->end();
  response_.resize(rc == TSS2_RC_SUCCESS ? std::min(size, response_.size()) : 0);
  if ((rc & ~TSS2_RC_LAYER_MASK) != TSS2_BASE_RC_TRY_AGAIN) return rc;
  fault_ = Fault::silent;
  reason_ = "no answer within " + std::to_string(deadline().count()) + " ms";
  // Not TRY_AGAIN: ESYS would ask again for ever.
  return TSS2_TCTI_RC_IO_ERROR;
}

TSS2_RC TctiGuard::refuse(Fault fault, const std::string& reason) {
  fault_ = fault;
  reason_ = reason;
  response_.clear();
  return TSS2_TCTI_RC_MALFORMED_RESPONSE;
}

std::chrono::milliseconds TctiGuard::deadline() const {
  const uint32_t code = readBigEndian(command_.data() + 6, 4);
  return code == TPM2_CC_CreatePrimary || code == TPM2_CC_Create ? deadlines_.create : deadlines_.other;
}

TSS2_RC TctiGuard::cancel(TSS2_TCTI_CONTEXT* context) { return Tss2_Tcti_Cancel(of(context).inner_); }

TSS2_RC TctiGuard::setLocality(TSS2_TCTI_CONTEXT* context, uint8_t locality) {
  return Tss2_Tcti_SetLocality(of(context).inner_, locality);
}

TSS2_RC TctiGuard::exchange(const Bytes& command, const char* name) {
  check(transmit(context(), command.size(), command.data()), name);
  uint8_t response[TPM2_MAX_RESPONSE_SIZE];
  size_t size = sizeof response;
  check(receive(context(), &size, response, TSS2_TCTI_TIMEOUT_BLOCK), name);
  return readBigEndian(response + 6, 4);
}

}  // namespace tpe
