// Training: resume, then per epoch train, evaluate, checkpoint.
#pragma once

#include <memory>

#include "core/check.h"
#include "data/loader.h"
#include "data/sampler.h"
#include "train/checkpoint_writer.h"
#include "train/evaluator.h"
#include "train/observers.h"
#include "train/run_folder.h"
#include "train/schedule.h"

namespace liere {

/// The parts that a configuration names, built and checked; what `--dry-run=step` and the Trainer share.
struct TrainingParts {
  TrainingParts(const ExperimentConfig& config, torch::Device device);
  std::unique_ptr<Dataset> train_set, test_set;
  std::unique_ptr<Recipe> train_recipe, test_recipe;
  std::vector<int64_t> train_indices;
  Vit model{nullptr};
  std::unique_ptr<Optimizer> optimizer;
};

class Trainer {
 public:
  Trainer(const Experiment& experiment, torch::Device device);

  /// Trains to the end, or to a stop signal: writes the run folder. kDone or kStoppedEarly.
  ExitCode run(ResumeMode mode);

  /// One optimiser step on the next batch, without a run folder (--dry-run=step and tests).
  StepReport step_once();

  const RunState& state() const { return state_; }
  TrainingParts& parts() { return parts_; }
  int64_t total_steps() const;
  int64_t steps_per_epoch() const { return sampler_.steps_per_epoch(); }

 private:
  StepReport train_step();
  /// Forward and backward of one micro-batch; returns its part of the mean loss.
  torch::Tensor micro_step(const Batch& batch, const Rotations& rotations, int64_t global_count);
  void start_loader();
  std::optional<WorkItem> work(int64_t number);
  void resume(const std::filesystem::path& checkpoint);
  /// False, and nothing is written, while the last steps were skipped as non-finite: the weights may be the cause.
  bool save(MetricFiles& files, bool best);
  /// False when stopped meanwhile.
  bool evaluate_epoch(MetricFiles& files, Console& console);
  void write_summary(const RunFolder& folder, const std::string& state);
  NamedTensors checkpoint_tensors() const;
  int64_t batches_per_epoch() const;

  Experiment experiment_;
  const ExperimentConfig& config_;
  torch::Device device_;
  TrainingParts parts_;
  Sampler sampler_;
  Schedule schedule_;
  RunState state_;
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<CheckpointWriter> writer_;
  int64_t first_batch_ = 0;          // number of the loader's first batch, counted from the start of the run
};

}  // namespace liere
