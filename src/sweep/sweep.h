// Runs a sweep: every point a training by liere-train and its tests by liere-eval, as child processes; what is done is skipped, what was stopped goes on.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "sweep/point_state.h"
#include "sweep/sweep_file.h"

namespace liere::sweep {

struct SweepOptions {
  std::string train = "liere-train", eval = "liere-eval";
  int64_t jobs = 1;            // trainings at once, each with its share of the processors
  bool stop_on_error = false;  // end at the first run that fails; else go on with the others
  bool retry = false;          // try again what diverged; what failed otherwise is always tried again
};

/// Of a point's configuration, by liere-train costs.
struct PointCost {
  std::string identity;
  double disk_bytes = 0, training_flop = 0;
  int64_t steps = 0;           // 0: not known exactly without the data
  bool has_holdout = false;    // evaluations during training measure held-out data
};

/// What `tune` chose for one value of its axis.
struct Choice {
  std::string of, value;  // value "" while tuning runs are missing, or where all diverged
  double holdout = 0;
  int64_t runs = 0, done = 0, diverged = 0, steps = 0;  // done: diverged ones among them
  std::vector<std::string> tied;  // other values with the same accuracy; the first in the file is taken
};

class Sweep {
 public:
  /// Asks liere-train what every point is. Throws ConfigError with the point's name where it refuses one: nothing is trained before all are known to be good.
  Sweep(const SweepFile& file, const SweepOptions& options);

  /// Trains and evaluates what is not done. The exit code: 0 all done, 75 stopped by a signal, 1 where a run failed or diverged.
  int run();
  /// A table of states, what was chosen, and the time left as far as finished runs tell.
  std::string status() const;
  /// Runs, steps, FLOP and disk of what is not done.
  std::string plan() const;
  /// The arguments of what is to be trained, a run per line, for scripts/slurm/submit.sh sweep: the runs that choose as long as there are some. "" where none is left.
  /// Throws ConfigError for an override with a blank in it.
  std::string slurm_list() const;

  std::vector<Choice> choices() const;
  /// In the order in which they are run: tuning first. A point whose value is still to be chosen is there without it.
  std::vector<Point> points() const;
  PointState state_of(const Point& point) const;

 private:
  std::vector<std::string> train_arguments(const Point& point) const;
  /// points() of a file whose axes and tuning are those of this sweep.
  std::vector<Point> points(const SweepFile& file) const;
  /// Asked of liere-train, all in one call.
  std::vector<PointCost> costs_of(const std::vector<Point>& points) const;
  void learn_costs();
  /// Where the command line makes other experiments of points, the file's entries of the paper do not hold for them.
  void keep_own_entries();
  /// Takes over what finished tuning runs say.
  void choose();
  /// 0, or the exit code of what stopped them.
  int run_all(const std::vector<Point>& points);
  /// Throws ConfigError for a test that liere-eval does not have.
  void check_tests() const;
  /// Whether training is to be done: not what diverged, unless asked for.
  bool is_to_train(const Point& point) const;
  void end_of(const Point& point, int code, const std::string& error);
  bool is_chosen(const Point& point) const;

  SweepFile file_;
  SweepOptions options_;
  Attempts attempts_;
  std::map<std::string, PointCost> costs_;  // by folder
  std::map<std::string, std::string> chosen_;
  std::set<std::string> other_experiments_;  // folders
};

/// Columns aligned; the first row is the head.
std::string aligned(const std::vector<std::vector<std::string>>& rows);

}  // namespace liere::sweep
