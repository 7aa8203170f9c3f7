#pragma once

#include <sys/types.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace tpe::system {

/// A system call that failed.
class Failure : public std::runtime_error {
 public:
  Failure(const char* call, int number);
  int number() const { return number_; }

 private:
  int number_;
};

/// Keeps glibc from holding what nobody uses. Blocks from 1 MiB on get a mapping of their own: by itself glibc raises that
/// threshold to the largest block that was freed, and each thread of libuv's pool that hashed a password would keep 16 MiB
/// for good.
void KeepHeapSmall();

/// Gives pages of the heap that hold no block back to the kernel. By itself glibc gives back only what lies above the
/// last block: V8's compilers leave megabytes below one that lives on. Takes about a millisecond for a heap of 16 MiB.
void GiveBackFree();

/// Sends one datagram to an AF_UNIX socket; a leading '@' means the abstract namespace (unix(7)). Never blocks.
/// @throws Failure, with ENAMETOOLONG when the path does not fit sockaddr_un.
void SendDatagram(const std::string& path, const std::string& payload);

/// flock(2) LOCK_EX without waiting. False when another open file description holds the lock.
bool TryLock(int descriptor);

/// User of the process at the other end of a connected AF_UNIX socket (SO_PEERCRED).
unsigned PeerUid(int descriptor);

/// Gives all threads the effective user and group and the supplementary groups, for a process that root started; also
/// back to root's own. Node.js has functions for it, but refuses them where it is linked to the system's libuv, as
/// Debian 13's is (ERR_INVALID_STATE, CVE-2024-22017).
/// @throws Failure, with EPERM when the process is not root's.
void ActAs(uid_t user, gid_t group, const std::vector<gid_t>& groups);

}  // namespace tpe::system
