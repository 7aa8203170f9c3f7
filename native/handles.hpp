#pragma once

#include <tss2/tss2_esys.h>

#include <utility>

#include "connection.hpp"

namespace tpe {

/**
 * A transient object or session, flushed when it leaves scope; or a persistent object, which only its ESYS metadata
 * is freed of. After the connection was closed there is nothing left to flush.
 */
class Handle {
 public:
  enum class Kind { transient, persistent };

  Handle() = default;
  Handle(Connection& connection, Kind kind) : connection_(&connection), kind_(kind) {}
  Handle(Handle&& other) noexcept { swap(other); }
  Handle& operator=(Handle&& other) noexcept {
    Handle taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~Handle() { release(); }

  ESYS_TR get() const { return tr_; }
  /** True when this names an object that the TPM still holds for us. */
  bool valid() const {
    return tr_ != ESYS_TR_NONE && connection_->isOpen() && generation_ == connection_->generation();
  }
  bool persistent() const { return kind_ == Kind::persistent; }

  /** Where an ESYS call writes the new handle. */
  ESYS_TR* out() {
    release();
    generation_ = connection_->generation();
    return &tr_;
  }

  /** Flushes now; an error is no reason to fail the verb, since the next one then flushes whatever is left. */
  void release() {
    if (tr_ != ESYS_TR_NONE && valid()) {
      if (kind_ == Kind::persistent) {
        Esys_TR_Close(connection_->esys(), &tr_);
      } else {
        if (Esys_FlushContext(connection_->esys(), tr_) != TSS2_RC_SUCCESS) connection_->suspect();
      }
    }
    tr_ = ESYS_TR_NONE;
  }

  /** TPM2_EvictControl and sequence completion end an object by themselves. */
  void forget() { tr_ = ESYS_TR_NONE; }

 private:
  void swap(Handle& other) noexcept {
    std::swap(connection_, other.connection_);
    std::swap(kind_, other.kind_);
    std::swap(tr_, other.tr_);
    std::swap(generation_, other.generation_);
  }

  Connection* connection_ = nullptr;
  Kind kind_ = Kind::transient;
  ESYS_TR tr_ = ESYS_TR_NONE;
  unsigned generation_ = 0;
};

}  // namespace tpe
