#pragma once

#include <tss2/tss2_tcti.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "bytes.hpp"

namespace tpe {

/** Longest wait for one TPM command. */
struct Deadlines {
  /** Create and CreatePrimary: RSA key generation takes minutes on some chips. */
  std::chrono::milliseconds create{300'000};
  std::chrono::milliseconds other{90'000};
  /** How long a command is sent again while the TPM answers that it is busy. */
  std::chrono::milliseconds busy{10'000};
};

/**
 * Lets another thread see that a command is overdue, for TCTIs that cannot give up by themselves, and take the TPM away
 * from the thread that waits for it.
 */
class CommandWatch {
 public:
  void begin(std::chrono::milliseconds deadline) { due_ = (Clock::now() + deadline).time_since_epoch().count(); }
  void end() { due_ = 0; }
  /** No command is sent any more: somebody else uses the TPM by now. */
  void cancel() { cancelled_ = true; }
  bool cancelled() const { return cancelled_; }
  bool overdue() const {
    const Clock::rep due = due_;
    return due != 0 && Clock::now().time_since_epoch().count() > due;
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::atomic<Clock::rep> due_{0};
  std::atomic<bool> cancelled_{false};
};

/**
 * A TCTI around the loaded one. ESYS waits for ever and sends a busy TPM its command five times in a row; here every
 * command has a deadline, busy answers (TPM_RC_RETRY, YIELDED, TESTING, NV_RATE) are sent again with growing pauses
 * (TPM 2.0 Part 2, 6.6.3: "the TPM was not able to start the command"), and a response of the wrong structure
 * goes no further.
 */
class TctiGuard {
 public:
  enum class Fault { none, silent, malformed, tpm12 };

  /** Takes ownership of `inner`. */
  TctiGuard(TSS2_TCTI_CONTEXT* inner, const Deadlines& deadlines, std::shared_ptr<CommandWatch> watch);
  ~TctiGuard();
  TctiGuard(const TctiGuard&) = delete;
  TctiGuard& operator=(const TctiGuard&) = delete;

  TSS2_TCTI_CONTEXT* context() { return reinterpret_cast<TSS2_TCTI_CONTEXT*>(&outer_); }
  Fault fault() const { return fault_; }
  const std::string& faultReason() const { return reason_; }

  /** Sends `command` beside ESYS, when no ESYS command is under way. @return the TPM's response code. */
  TSS2_RC exchange(const Bytes& command, const char* name);

 private:
  struct Outer {
    TSS2_TCTI_CONTEXT_COMMON_V2 common;
    TctiGuard* guard;
  };

  static TctiGuard& of(TSS2_TCTI_CONTEXT* context);
  static TSS2_RC transmit(TSS2_TCTI_CONTEXT* context, size_t size, uint8_t const* command);
  static TSS2_RC receive(TSS2_TCTI_CONTEXT* context, size_t* size, uint8_t* response, int32_t timeout);
  static TSS2_RC cancel(TSS2_TCTI_CONTEXT* context);
  static TSS2_RC setLocality(TSS2_TCTI_CONTEXT* context, uint8_t locality);

  TSS2_RC send();
  TSS2_RC fetch();
  TSS2_RC await();
  TSS2_RC refuse(Fault fault, const std::string& reason);
  std::chrono::milliseconds deadline() const;

  Outer outer_;
  TSS2_TCTI_CONTEXT* inner_;
  Deadlines deadlines_;
  std::shared_ptr<CommandWatch> watch_;
  Bytes command_;
  Bytes response_;
  bool keepsDeadlines_ = true;
  Fault fault_ = Fault::none;
  std::string reason_;
};

}  // namespace tpe
