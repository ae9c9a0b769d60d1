#include "train/distributed_meeting.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/machine.h"
#include "core/signals.h"
#include "launch/meeting.h"

namespace liere {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kMeetingSeconds = 28;

std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }
std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

std::string printed(const sockaddr_storage& address, socklen_t length) {
  char text[NI_MAXHOST] = "";
  const bool known =
      ::getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, text, sizeof text, nullptr, 0, NI_NUMERICHOST | NI_NUMERICSERV) == 0;
  return known ? text : "";
}

struct Route {
  std::string from, to;  // empty: none
};

/// This machine's address on the way to host, and host's own: the routing table's answer, nothing is sent.
Route route_to(const std::string& host, uint16_t port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  for (const auto* address = found; address; address = address->ai_next) {
    const int socket = ::socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, address->ai_protocol);
    if (socket < 0) continue;
    sockaddr_storage from = {}, to = {};
    socklen_t from_length = sizeof from, to_length = sizeof to;
    const bool known = ::connect(socket, address->ai_addr, address->ai_addrlen) == 0 &&
                       ::getsockname(socket, reinterpret_cast<sockaddr*>(&from), &from_length) == 0 &&
                       ::getpeername(socket, reinterpret_cast<sockaddr*>(&to), &to_length) == 0;
    ::close(socket);
    if (known) return {printed(from, from_length), printed(to, to_length)};
  }
  return {};
}

bool is_own(const std::string& address) {
  const auto route = route_to(address, 9);
  return !address.empty() && route.from == route.to;
}

[[noreturn]] void stop_here() {
  throw Error(ExitCode::kStoppedEarly, std::string("stopped by ") + stop_signal_name() + " before the ranks had met; the same command begins again.");
}

/// What `call` returns, which may wait for long; a stop signal ends the wait, not the call.
template <class T>
T unless_stopped(std::function<T()> call) {
  std::packaged_task<T()> task(std::move(call));
  auto result = task.get_future();
  std::thread(std::move(task)).detach();
  while (result.wait_for(milliseconds(20)) != std::future_status::ready)
    if (stop_requested()) stop_here();
  return result.get();
}

/// Enters this rank and waits for the others. Each says how many ranks it knows of.
void enter(c10d::Store& store, const Place& place, const std::string& where) {
  const auto key = [](int64_t rank) { return "here/" + std::to_string(rank); };
  const auto until = Clock::now() + std::chrono::seconds(kMeetingSeconds);
  const auto size = std::to_string(place.size);
  store.set(key(place.rank), bytes_of(size));
  const bool twice = store.add("count/" + std::to_string(place.rank), 1) > 1;
  const auto self = "rank " + std::to_string(place.rank) + " of " + size + " on " + host_name();
  if (twice) throw ConfigError(self + " is there twice: another process that meets at " + where + " has the same number. Start each rank once.");
  std::vector<int64_t> missing(static_cast<size_t>(place.size));
  std::iota(missing.begin(), missing.end(), 0);
  for (;; std::this_thread::sleep_for(milliseconds(20 + place.size))) {
    std::erase_if(missing, [&](int64_t other) {
      if (!store.check({key(other)})) return false;
      const auto theirs = text_of(store.get(key(other)));
      if (theirs == size) return true;
      if (place.rank == 0) std::this_thread::sleep_for(milliseconds(500));  // it serves what the other is to read
      throw ConfigError("the ranks that meet at " + where + " do not agree about their number: rank " + std::to_string(place.rank) + " was told of " +
                        size + ", rank " + std::to_string(other) + " of " + theirs + ". Start all with the same number of ranks.");
    });
    if (missing.empty()) return;
    if (stop_requested()) stop_here();
    if (Clock::now() < until) continue;
    std::string list;
    for (size_t i = 0; i < missing.size() && i < 8; ++i) list += (i ? ", " : "") + std::to_string(missing[i]);
    if (missing.size() > 8) list += " and " + std::to_string(missing.size() - 8) + " more";
    throw DeviceError(self + " could not meet the others at " + where + " within " + std::to_string(kMeetingSeconds) + " s: missing is rank " + list +
                      ". Check that all " + size + " ranks were started and that this address is rank 0's and reachable from their machines.");
  }
}

std::string route_key(int64_t rank) { return "route/" + std::to_string(rank); }

bool is_loopback(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

/// The address on the way to rank 0. On rank 0's own machine that is often the loopback's, which leads nowhere else: then the one by which a rank of
/// another machine reaches rank 0.
std::string own_address(c10d::Store& store, const Place& place, const Route& route) {
  if (!is_loopback(route.from)) return route.from;
  for (int64_t other = 1; other < place.size; ++other)
    if (const auto reached = text_of(store.get(route_key(other))); is_own(reached)) return reached;
  return route.from;
}

}  // namespace

std::string plain_cause(const std::string& text) {
  auto line = text.substr(0, text.find('\n'));
  const auto end = line.find("] ");
  if (line.starts_with('[') && end != std::string::npos) line.erase(0, end + 2);
  return line;
}

Meeting meet(const Place& place) {
  const std::string where = place.host + ":" + std::to_string(place.port);
  c10d::TCPStoreOptions options;
  options.port = place.port;
  options.isServer = place.rank == 0;
  options.numWorkers = static_cast<size_t>(place.size);
  options.waitWorkers = false;
  options.timeout = std::chrono::seconds(kMeetingSeconds);
  if (place.rank > 0) unless_stopped<void>([host = place.host, port = place.port] { wait_for_meeting(host, port, kMeetingSeconds - 2); });
  try {
    // It tries again and again where rank 0 ends now.
    const std::function<c10::intrusive_ptr<c10d::Store>()> open = [host = place.host, options] {
      return c10::make_intrusive<c10d::TCPStore>(host, options);
    };
    Meeting meeting{unless_stopped(open), {}};
    const auto route = route_to(place.host, place.port);
    meeting.store->set(route_key(place.rank), bytes_of(is_loopback(route.to) ? "" : route.to));
    enter(*meeting.store, place, where);
    meeting.address = own_address(*meeting.store, place, route);
    return meeting;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw DeviceError(
        "rank " + std::to_string(place.rank) + " of " + std::to_string(place.size) + " on " + host_name() + " could not meet the others at " + where +
        ": " + plain_cause(error.what()) +
        ". Check that all ranks were started, that the address is rank 0's and reachable from here, and that no other program uses the port.");
  }
}

}  // namespace liere
