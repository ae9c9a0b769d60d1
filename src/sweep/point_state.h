// How far a point of a sweep is: from its run folder, and from what the sweep noted of runs that failed.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace liere::sweep {

enum class State {
  kMissing,   // no run folder
  kRunning,   // a process has the folder
  kBegun,     // a folder without a result: it was killed
  kStopped,   // saved before its end, or ended before the steps that are asked for now: the same command goes on
  kTrained,   // done, but not all of its tests
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
  int64_t time = 0;  // when it ended, seconds since 1970: what a run folder says later goes before it
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

/// What a point should be.
struct Wanted {
  std::string identity;            // of its configuration (liere-train --dry-run --json); "": not compared
  int64_t steps = 0;               // at least; 0: not compared
  std::vector<std::string> tests;  // of liere-eval
};
PointState read_state(const std::filesystem::path& folder, const Wanted& wanted, const std::optional<Attempt>& attempt);

}  // namespace liere::sweep
