#pragma once

#include <string>

namespace tpe::system {

/// Opens a UDP socket that sees one interface only (SO_BINDTODEVICE), bound to all its addresses.
/// Broadcast is allowed, an IPv6 socket is IPv6 only. Non-blocking, closed on exec.
/// @param family 4 or 6.
/// @param port 0 picks a free one.
/// @return the descriptor, which is the caller's to close.
/// @throws Failure; EPERM on kernels before 5.7 without CAP_NET_RAW.
int OpenUdpSocket(const std::string& interface, int family, unsigned short port);

}  // namespace tpe::system
