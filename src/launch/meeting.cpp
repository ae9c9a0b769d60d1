#include "launch/meeting.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>

#include "core/check.h"

namespace liere {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

/// Empty when somebody listens, else why not.
std::string refusal(const addrinfo* addresses) {
  std::string reason = "no address";
  for (const auto* address = addresses; address; address = address->ai_next) {
    const int socket = ::socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, address->ai_protocol);
    if (socket < 0) continue;
    const timeval limit = {2, 0};  // of a connection that nobody answers
    ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const bool connected = ::connect(socket, address->ai_addr, address->ai_addrlen) == 0;
    reason = connected ? "" : std::strerror(errno);
    ::close(socket);
    if (connected) break;
  }
  return reason;
}

}  // namespace

void wait_for_meeting(const std::string& host, uint16_t port, double seconds) {
  const std::string where = host + ":" + std::to_string(port);
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) throw DeviceError("the ranks meet at " + where + ", but " + host + " is no host known here (" + ::gai_strerror(error) + "). Set MASTER_ADDR to an address of rank 0's machine.");
  const Addresses addresses(found, &::freeaddrinfo);
  for (std::string reason; !(reason = refusal(addresses.get())).empty(); std::this_thread::sleep_for(std::chrono::milliseconds(100)))
    if (std::chrono::steady_clock::now() >= until)
      throw DeviceError("rank 0 was not reached at " + where + " within " + std::to_string(static_cast<int>(seconds)) + " s (" + reason + "). Check that it was started, that the address is its own and reachable from here, and the port open.");
}

}  // namespace liere
