#pragma once

#include <string.h>
#include <tss2/tss2_esys.h>

namespace tpe {

/** A structure that ESYS allocated; wiped before it is freed, since it may hold a secret. */
template <typename T>
class EsysPointer {
 public:
  EsysPointer() = default;
  ~EsysPointer() { reset(); }
  EsysPointer(const EsysPointer&) = delete;
  EsysPointer& operator=(const EsysPointer&) = delete;

  T** out() {
    reset();
    return &pointer_;
  }
  const T* get() const { return pointer_; }
  const T* operator->() const { return pointer_; }
  const T& operator*() const { return *pointer_; }

 private:
  void reset() {
    if (pointer_ == nullptr) return;
    explicit_bzero(pointer_, sizeof(T));
    Esys_Free(pointer_);
    pointer_ = nullptr;
  }

  T* pointer_ = nullptr;
};

/** A TPM structure on the stack that is wiped when it leaves scope. */
template <typename T>
struct Wiped {
  T value{};
  Wiped() = default;
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
  ~Wiped() { explicit_bzero(&value, sizeof value); }
};

}  // namespace tpe
