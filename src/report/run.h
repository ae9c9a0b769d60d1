// What a report knows of a run: read from its folder alone, without data, checkpoints or the program that trained it.
//   summary.json         what was trained and how it ended; absent while the run goes on
//   metrics.jsonl        one event per line; the last line of a run in progress may be cut off
//   config.yaml          the paper's cells it reproduces, and what sweeps vary; may be absent
//   eval/TEST/eval.json  accuracy, shuffle, shuffle-frames, resolution; each may be absent
//   eval/accuracy/samples.csv  each sample's outcome, read when it is asked for (report/outcomes.h)
// Accuracies are in percent; an unknown number is NaN (JSON null, as a diverged loss is written) or nullopt.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/statistics.h"
#include "report/run_config.h"

namespace liere::report {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

struct Accuracy {
  double top1 = kUnknown, top5 = kUnknown, loss = kUnknown;
  std::optional<int64_t> samples;            // it was measured on
  std::optional<Interval> bootstrap = {};    // 95 % interval of top1, where the evaluation made one
  std::optional<Interval> loss_interval = {};
};

/// An evaluation during training; `samples` are training samples seen so far.
struct EvalEvent {
  int64_t epoch = 0, step = 0, samples = 0;
  Accuracy accuracy;
  std::string split = "test";  // or "holdout"
};

/// The evaluation during training with the highest top-1, and the samples it was chosen by: a maximum over test data is not an estimate.
struct Best {
  double top1 = kUnknown;
  std::optional<int64_t> step, samples;
  std::string selected_on = "test";
  /// "selected on test", "selected on holdout (5,000 images)"; empty where there is none.
  std::string mark() const;
};

struct AccuracyTest {
  Accuracy accuracy;
  std::optional<int64_t> step;
  std::string weights = "raw";
};

struct ShuffleTest {
  Accuracy before, after;  // after: mean over the seeds
  double relative_drop = kUnknown;
  int64_t seeds = 0;
  std::optional<Interval> drop_interval = {};
};

struct ResolutionResult {
  std::vector<int64_t> size;       // pixels per axis
  std::string positions, reading;  // "sequential", "fixed"; "trained", "grid", "scaled", "resize"
  Accuracy accuracy;
};

struct Run {
  std::filesystem::path folder;  // as given
  std::string shown_folder;      // as a report names it
  std::string name, encoding, label, identity, identity_without_seed, dataset, device;
  std::string method;             // the label before runs of equal labels were told apart
  std::string positions;          // token positions it was trained with, where the summary says so
  std::string state = "running";  // "done", "stopped", or "running" while there is no summary
  std::optional<int64_t> seed, epochs, steps, samples_seen, parameters, rotation_parameters, classes;
  double flops_per_sample = kUnknown, samples_per_second = kUnknown, seconds = kUnknown;
  Accuracy final_accuracy;           // at the end of training, or at the last evaluation so far
  std::string final_split = "test";  // what that was measured on
  Best best;
  std::vector<EvalEvent> evals;      // during training, all of one split
  using Trace = std::vector<std::pair<int64_t, double>>;  // training samples seen, value
  Trace orthogonality;  // max |R^T R - I|
  Trace gradient_norm;  // 2-norm of the whole gradient before clipping
  int64_t unreadable_lines = 0;  // of metrics.jsonl, its cut-off last line not counted
  std::optional<AccuracyTest> accuracy_test;
  std::optional<ShuffleTest> shuffle_test, shuffle_frames_test;
  std::vector<ResolutionResult> resolution_test;
  RunConfig config;
  bool diverged = false;  // its last training loss is not finite

  /// The figure of the table, that of the end of training: from eval/accuracy where it is of the last step, else as the training measured it.
  const Accuracy& accuracy() const { return accuracy_test && (tests_the_end() || std::isnan(final_accuracy.top1)) ? accuracy_test->accuracy : final_accuracy; }
  bool tests_the_end() const { return accuracy_test && (!accuracy_test->step || !steps || *accuracy_test->step == *steps); }
};

/// Reads a run folder. Throws DataError: neither summary.json nor metrics.jsonl there, or a file that does not hold what it should.
Run read_run(const std::filesystem::path& folder);

/// How a report names the folders of runs: as they were given, or by what is below the folder that holds all of them, which says nothing of the machine.
enum class FolderNames { kAsGiven, kBelowCommonFolder };

/// All of them, with labels that tell them apart ("LieRE_8, seed 1", else "LieRE_8 (name)"). A folder given twice is a ConfigError.
std::vector<Run> read_runs(const std::vector<std::filesystem::path>& folders, FolderNames names = FolderNames::kAsGiven);

}  // namespace liere::report
