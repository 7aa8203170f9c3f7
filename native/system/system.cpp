#include "system.hpp"

#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "descriptor.hpp"

namespace tpe::system {

Failure::Failure(const char* call, int number)
    : std::runtime_error(std::string(call) + ": " + strerror(number)), number_(number) {}

void KeepHeapSmall() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

void GiveBackFree() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void SendDatagram(const std::string& path, const std::string& payload) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) throw Failure("connect", ENAMETOOLONG);
  memcpy(address.sun_path, path.data(), path.size());
  const bool abstract = path[0] == '@';
  if (abstract) address.sun_path[0] = '\0';
  // An abstract name is not ended by a NUL: every byte of the length counts.
  const socklen_t length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));

  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) throw Failure("socket", errno);
  const ssize_t sent = sendto(socket.get(), payload.data(), payload.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                              reinterpret_cast<const sockaddr*>(&address), length);
  if (sent < 0) throw Failure("sendto", errno);
}

bool TryLock(int descriptor) {
  int result;
  do {
    result = flock(descriptor, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  throw Failure("flock", errno);
}

unsigned PeerUid(int descriptor) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) throw Failure("getsockopt", errno);
  return credentials.uid;
}

void ActAs(uid_t user, gid_t group, const std::vector<gid_t>& groups) {
  // Only root may change groups.
  if (geteuid() != 0 && seteuid(0) != 0) throw Failure("seteuid", errno);
  if (setgroups(groups.size(), groups.data()) != 0) throw Failure("setgroups", errno);
  if (setegid(group) != 0) throw Failure("setegid", errno);
  if (seteuid(user) != 0) throw Failure("seteuid", errno);
}

}  // namespace tpe::system
