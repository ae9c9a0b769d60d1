// Whether the place where the ranks meet can be reached, asked with plain sockets before anything bigger tries.
#pragma once

#include <cstdint>
#include <string>

namespace liere {

/// Waits until somebody listens at host:port. Throws DeviceError naming the address and what was tried when that takes longer than `seconds`, or when the name is not known.
void wait_for_meeting(const std::string& host, uint16_t port, double seconds);

}  // namespace liere
