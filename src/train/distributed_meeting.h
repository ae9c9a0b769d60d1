// Where the ranks of a run meet: the store that rank 0 serves, entered by all before anything else. Who is missing, twice there, or counts otherwise
// is named; a stop signal ends the wait.
#pragma once

#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "launch/place.h"

namespace liere {

struct Meeting {
  c10::intrusive_ptr<c10d::Store> store;
  std::string address;  // this machine's, by which the other ranks reach it
};

/// Throws DeviceError within about 30 seconds (the port is taken, rank 0 cannot be reached, ranks are missing), ConfigError where ranks disagree
/// about who they are, Error(kStoppedEarly) after a stop signal.
Meeting meet(const Place& place);

/// What c10d says, in one line, without the place in its sources.
std::string plain_cause(const std::string& text);

}  // namespace liere
