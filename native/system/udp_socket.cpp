#include "udp_socket.hpp"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "system.hpp"

namespace tpe::system {

namespace {

/// A descriptor that is closed with its scope unless it was released.
class Owned {
 public:
  explicit Owned(int number) : number_(number) {
    if (number_ < 0) throw Failure("socket", errno);
  }
  ~Owned() {
    if (number_ >= 0) close(number_);
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  int get() const { return number_; }
  int release() {
    const int number = number_;
    number_ = -1;
    return number;
  }

 private:
  int number_;
};

void Enable(int socket, int level, int option) {
  const int on = 1;
  if (setsockopt(socket, level, option, &on, sizeof(on)) != 0) throw Failure("setsockopt", errno);
}

void Bind(int socket, const sockaddr* address, socklen_t size) {
  if (bind(socket, address, size) != 0) throw Failure("bind", errno);
}

}  // namespace

int OpenUdpSocket(const std::string& interface, int family, unsigned short port) {
  if (interface.empty() || interface.size() >= IFNAMSIZ) throw Failure("setsockopt", ENODEV);
  const bool six = family == 6;
  Owned socket(::socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (setsockopt(socket.get(), SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
                 static_cast<socklen_t>(interface.size() + 1)) != 0) {
    throw Failure("setsockopt", errno);
  }
  if (six) {
    Enable(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    Bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  } else {
    Enable(socket.get(), SOL_SOCKET, SO_BROADCAST);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    Bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  }
  return socket.release();
}

}  // namespace tpe::system
