// Reaching the place where ranks meet.
#include "launch/meeting.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "core/check.h"
#include "support/catch.h"

using namespace liere;

TEST_CASE("meeting: reached as soon as somebody listens, else named with its address", "[launch]") {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const uint16_t port = ntohs(address.sin_port);
  CHECK_THROWS_WITH(wait_for_meeting("127.0.0.1", port, 0.3), Catch::Contains("rank 0 was not reached at 127.0.0.1:" + std::to_string(port)) && Catch::Contains("Connection refused"));
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    ::listen(listener, 4);
  });
  CHECK_NOTHROW(wait_for_meeting("127.0.0.1", port, 10));
  later.join();
  ::close(listener);
  CHECK_THROWS_WITH(wait_for_meeting("no-such-host.invalid", 1, 1), Catch::Contains("no host known here") && Catch::Contains("MASTER_ADDR"));
}
