// Errors with an exit code: every message says what was expected, what was found, where, and what to do.
// main() of each command is run_command(), which prints one line "error: ..." and returns the code; nothing else prints errors.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

namespace liere {

/// The process exit codes; docs/reliability.md lists them for users.
enum class ExitCode : int {
  kDone = 0,
  kFailure = 1,
  kConfiguration = 2,
  kData = 3,
  kCheckpoint = 4,
  kDevice = 5,
  kDiverged = 6,
  kStoppedEarly = 75,
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

struct ConfigError : Error { explicit ConfigError(const std::string& message) : Error(ExitCode::kConfiguration, message) {} };
struct DataError : Error { explicit DataError(const std::string& message) : Error(ExitCode::kData, message) {} };
struct CheckpointError : Error { explicit CheckpointError(const std::string& message) : Error(ExitCode::kCheckpoint, message) {} };
struct DeviceError : Error { explicit DeviceError(const std::string& message) : Error(ExitCode::kDevice, message) {} };
struct DivergedError : Error { explicit DivergedError(const std::string& message) : Error(ExitCode::kDiverged, message) {} };

/// Runs `body` and turns what it throws into one line on stderr and an exit code (kFailure for foreign exceptions).
int run_command(const std::function<int()>& body);

}  // namespace liere
