#pragma once

#include <optional>

#include "bytes.hpp"
#include "handles.hpp"
#include "sessions.hpp"
#include "templates.hpp"

namespace tpe {

/** A primary key at hand: its handle, public area and name. */
struct Primary {
  Handle handle;
  Bytes publicArea;
  Bytes name;
};

struct EndorsementKey : Primary {
  /** Unknown for a persistent EK: nothing in its public area tells. */
  std::optional<EkTemplate> derivedFrom;
};

/** What {@link EndorsementKey} says without the key being loaded. */
struct KnownEndorsementKey {
  Bytes publicArea;
  Bytes name;
  std::optional<EkTemplate> derivedFrom;
  bool persistent = false;
};

struct StorageRootKey : Primary {
  /** An object at 0x81000001 was left alone because it is no RSA-2048 storage key with noDA. */
  bool strangerAtHandle = false;
};

/** Finds or derives EK and SRK; both are flushed again when they leave scope. */
class Primaries {
 public:
  Primaries(Connection& connection, Sessions& sessions, EkTemplate ekTemplate, Bytes expectedEkName);

  /**
   * The EK: the persistent one at 0x81010001, else the template's. Once a name is expected, whatever gives that name.
   * @throws Failure `unsuitable`, `ekChanged`
   */
  EndorsementKey endorsementKey();
  /**
   * The same without its handle. A derived EK is remembered: making the RSA key again takes a slow chip most of a
   * minute. Every call asks the TPM something, so that a connection that broke or a TPM that was reset is noticed.
   */
  KnownEndorsementKey knownEndorsementKey();
  /** The derived EK may be another one by now. */
  void forgetEndorsementKey() { known_.reset(); }
  /** The SRK: the persistent one at 0x81000001 when it fits, else the derived one. */
  StorageRootKey storageRootKey();
  /** The SRK from the template, whatever is at 0x81000001. */
  StorageRootKey derivedStorageRootKey();
  /**
   * Keeps EK and SRK at 0x81010001 and 0x81000001 unless they are there (TPM2_EvictControl, owner authorization).
   * Somebody else's object at 0x81000001 stays; the SRK is derived then, as ever.
   * @throws Failure `unsuitable` for somebody else's object at 0x81010001
   */
  void persist();

  void expectEkName(Bytes name) {
    expectedEkName_ = std::move(name);
    forgetEndorsementKey();
  }

 private:
  /** The EK at 0x81010001, invalid when there is none that may be used. */
  EndorsementKey persistentEk();
  EndorsementKey derivedEk();
  EndorsementKey deriveEk(EkTemplate which);
  void persistAt(TPM2_HANDLE handle, const Primary& key, ESYS_TR salt);
  bool isExpected(const Primary& key) const { return expectedEkName_.empty() || key.name == expectedEkName_; }

  Connection& connection_;
  Sessions& sessions_;
  EkTemplate ekTemplate_;
  Bytes expectedEkName_;
  /** The derived EK, and under which generation of the connection it was made. */
  std::optional<KnownEndorsementKey> known_;
  unsigned knownGeneration_ = 0;
};

/** The structure in its marshalled form, with its size. */
Bytes marshal(const TPM2B_PUBLIC& area);
Bytes marshal(const TPM2B_PRIVATE& area);

}  // namespace tpe
