#pragma once

#include <tss2/tss2_esys.h>

#include <memory>
#include <string>
#include <vector>

#include "tcti_guard.hpp"

namespace tpe {

struct ConnectionOptions {
  /** TCTI loader configuration, e.g. `device:/dev/tpmrm0`. */
  std::string tcti;
  /** True when somebody below (the kernel, tabrmd) keeps each user's objects apart and cleans up after it. */
  bool resourceManaged = false;
  Deadlines deadlines;
  std::shared_ptr<CommandWatch> watch = std::make_shared<CommandWatch>();
};

/** TCTI and ESYS context of one TPM; opened at first use and again after a failure of the transport. */
class Connection {
 public:
  explicit Connection(ConnectionOptions options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /** Opens TCTI and ESYS unless open; without a resource manager, flushes what others left in the TPM. */
  void ensureOpen();
  void close();
  bool isOpen() const { return esys_ != nullptr; }
  ESYS_CONTEXT* esys() const { return esys_; }

  /** Something may have been left in the TPM or the ESYS context is out of step: the next verb opens again. */
  void suspect() { suspect_ = true; }

  /** Flushes all transient objects and sessions; does nothing on a resource manager, where they are not ours. */
  void flushAll();

  /** All values of a capability (TPM 2.0 Part 3, 30.2), property by property. */
  std::vector<uint32_t> handles(uint32_t first);
  /** A property of TPM_CAP_TPM_PROPERTIES; 0 when the TPM does not know it. */
  uint32_t property(TPM2_PT property);

  /** Counts openings: what was loaded under another generation is gone. */
  unsigned generation() const { return generation_; }
  const ConnectionOptions& options() const { return options_; }
  const TctiGuard* guard() const { return guard_.get(); }

  /**
   * Turns a failure of the transport into its cause (silence, malformed response) and closes, so that the next verb
   * opens again. Failures that the TPM answered pass through.
   */
  void explain(struct Failure& failure);

 private:
  void startupIfNeeded();

  ConnectionOptions options_;
  std::unique_ptr<TctiGuard> guard_;
  ESYS_CONTEXT* esys_ = nullptr;
  unsigned generation_ = 0;
  bool suspect_ = false;
};

}  // namespace tpe
