// How far a point of a sweep is: from its run folder, and from what the sweep noted of runs that failed.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>

namespace liere::sweep {

enum class State {
  kMissing,   // no run folder
  kBegun,     // a folder without a result: it is being trained, or was killed
  kStopped,   // saved before its end: the same command goes on
  kDone,
  kFailed,    // its last attempt ended with an error
  kDiverged,  // exit code 6
  kOther,     // the folder holds a run of another configuration
};
std::string name_of(State state);

struct PointState {
  State state = State::kMissing;
  int64_t step = 0, steps = 0;
  double top1 = std::numeric_limits<double>::quiet_NaN();     // on the test set, at the end
  double holdout = std::numeric_limits<double>::quiet_NaN();  // on the held-out part of the training data, at the end
  double seconds = 0;
  std::string error;  // of the last attempt
};

/// What ended a point's last attempt; nothing is noted of a run that is done.
struct Attempt {
  int code = 0;
  std::string error;
};

/// The attempts that a sweep has noted in OUTPUT/sweep.json.
class Attempts {
 public:
  explicit Attempts(const std::filesystem::path& output);
  std::optional<Attempt> of(const std::string& point) const;
  /// Written at once, as a whole.
  void note(const std::string& point, const Attempt& attempt);

 private:
  std::filesystem::path file_;
  std::map<std::string, Attempt> attempts_;
};

/// `identity`: of the configuration that the point asks for (liere-train --dry-run --json); "" skips the comparison.
PointState read_state(const std::filesystem::path& folder, const std::string& identity, const std::optional<Attempt>& attempt);

}  // namespace liere::sweep
