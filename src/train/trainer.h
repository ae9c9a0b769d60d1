// Training: resume, then per epoch train, evaluate, checkpoint.
#pragma once

#include <memory>
#include <string>

#include "core/check.h"
#include "core/machine.h"
#include "data/loader.h"
#include "data/sampler.h"
#include "train/batch_plan.h"
#include "train/checkpoint_writer.h"
#include "train/ema.h"
#include "train/evaluator.h"
#include "train/observers.h"
#include "train/run_folder.h"
#include "train/schedule.h"
#include "train/training_parts.h"

namespace liere {

class Trainer {
 public:
  Trainer(const Experiment& experiment, torch::Device device);

  /// Trains to the end, or to a stop signal: writes the run folder. kDone or kStoppedEarly.
  ExitCode run(ResumeMode mode);

  /// One optimiser step on the next batch, without a run folder (--dry-run=step and tests).
  StepReport step_once();

  const RunState& state() const { return state_; }
  TrainingParts& parts() { return parts_; }
  const std::optional<Ema>& ema() const { return ema_; }
  int64_t total_steps() const;
  int64_t steps_per_epoch() const { return sampler_.steps_per_epoch(); }

 private:
  // One step (train_step.cpp).
  /// take_step(), with memory that ran out said in one sentence (DeviceError).
  StepReport train_step();
  StepReport take_step();
  /// What a log step tells beside the step itself: memory, share of the peak, time left.
  void add_run_figures(StepReport& report) const;
  /// Forward and backward of one micro-batch; returns its part of the mean loss.
  torch::Tensor micro_step(const Batch& batch, const Rotations& rotations, const Mix& mix, int64_t global_count);
  /// A forward and backward pass on an empty batch of this size, for find_micro_batch; leaves no gradient.
  void try_micro_batch(int64_t micro_batch);
  void start_loader();
  std::optional<WorkItem> work(int64_t number);

  // The run (trainer.cpp).
  void resume(const std::filesystem::path& checkpoint);
  /// The weights of init.checkpoint, where one is named.
  void import_initial_weights();
  /// False, and nothing is written, while the last steps were skipped as non-finite: the weights may be the cause.
  bool save(MetricFiles& files, bool best);
  std::optional<Classification> evaluate_on(const Dataset& dataset, const std::string& title);
  /// False when stopped meanwhile.
  bool evaluate_epoch(MetricFiles& files, Console& console);
  bool evaluation_due() const;
  bool checkpoint_due() const;
  /// Whether the step's report goes into the metric files (a skipped step's always does).
  bool is_logged(int64_t step) const { return step % config_.log.every_steps == 0 || step == total_steps(); }
  ExitCode stop(RunFolder& folder, MetricFiles& files);
  void check_divergence(const StepReport& report) const;
  /// The CPU's FMA peak at the run's threads and precision (40 ms), for the share of it; unknown on other devices.
  void measure_peak();
  void write_summary(const RunFolder& folder, const std::string& state);
  NamedTensors checkpoint_tensors() const;

  Experiment experiment_;
  const ExperimentConfig& config_;
  torch::Device device_;
  TrainingParts parts_;
  Sampler sampler_;
  MicroBatchPlan plan_;
  Schedule schedule_;
  std::optional<Ema> ema_;
  RunState state_;
  std::optional<FmaPeak> peak_;
  std::optional<Classification> final_test_;  // of the test set at the end, where evaluations use a holdout
  CheckpointWriter* writer_ = nullptr;          // while run() runs
  int64_t resumed_step_ = 0;
  double available_at_start_ = 0;             // bytes (train/memory.h)
  std::unique_ptr<Loader> loader_;
  int64_t first_batch_ = 0;                   // number of the loader's first batch, counted from the start of the run
};

}  // namespace liere
