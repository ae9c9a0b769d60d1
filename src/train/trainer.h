// Training: resume, then per epoch train, evaluate, checkpoint.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "core/check.h"
#include "core/machine.h"
#include "data/loader.h"
#include "data/sampler.h"
#include "train/batch_plan.h"
#include "train/checkpoint_writer.h"
#include "train/device_batches.h"
#include "train/distributed.h"
#include "train/ema.h"
#include "train/evaluator.h"
#include "train/fault.h"
#include "train/observers.h"
#include "train/run_folder.h"
#include "train/schedule.h"
#include "train/step_graph.h"
#include "train/step_records.h"
#include "train/training_parts.h"

namespace liere {

class Trainer {
 public:
  /// `ranks` (of this process alone where it is null) outlives the trainer.
  Trainer(const Experiment& experiment, torch::Device device, Ranks* ranks = nullptr);
  ~Trainer();

  /// Trains to the end, or to a stop signal: writes the run folder. kDone or kStoppedEarly.
  ExitCode run(ResumeMode mode);

  /// One optimiser step on the next batch, without a run folder (--dry-run=step and tests).
  StepReport step_once();

  /// Whether a step's figures are read one step later, so that the device never waits for the host: on a GPU; tests ask the CPU for it. Before the first step.
  void set_lagged(bool lagged) { lagged_ = lagged; }
  /// Whether full steps are recorded (train.cuda_graph): tests ask the CPU for it. Needs lagged figures. Before the first step.
  void set_recorded(bool recorded);

  const RunState& state() const { return state_; }
  TrainingParts& parts() { return parts_; }
  const std::optional<Ema>& ema() const { return ema_; }
  int64_t total_steps() const;
  int64_t steps_per_epoch() const { return sampler_.steps_per_epoch(); }

 private:
  // One step (train_step.cpp).
  /// A step whose work is queued and whose figures are not read yet.
  struct QueuedStep {
    StepReport report;   // what the host knows of it
    int64_t count = 0;   // samples
    std::chrono::steady_clock::time_point start;
  };
  /// What the device knows of it.
  struct StepFigures {
    double loss = 0, gradient_norm = 0;
    bool skipped = false;
    bool stop = false;       // a rank was asked to stop
    double orthogonality = kNotMeasured;
  };
  /// take_step(), with memory that ran out said in one sentence (DeviceError).
  std::optional<StepReport> train_step();
  /// Queues one step, and returns the report that became known meanwhile: its own, or (lagged) that of the step before, if that is still to be told.
  std::optional<StepReport> take_step();
  /// The report of the step whose figures are still on their way, if there is one. Afterwards state_, the optimiser and the weights agree.
  std::optional<StepReport> drain();
  /// Forward and backward of the loader's next micro-batches; returns the mean loss.
  torch::Tensor add_gradients(const Rotations& rotations, int64_t count);
  /// What backward passes do not reduce, in one sum over the ranks: the gradients of the encoding's rotations, the loss (both averaged in place) and whether a rank was
  /// asked to stop (returned, a scalar beside the loss; 0 with one rank).
  torch::Tensor reduce_rest(const torch::Tensor& loss);
  /// Clipping, optimiser and average, decided by the host at once; or all queued, decided on the device: returns loss, norm, skip and stop (float64 [4]). The rate is lr_'s.
  StepFigures update(const torch::Tensor& loss, const Rotations& rotations, const StepReport& report);
  torch::Tensor queue_update(const torch::Tensor& loss);
  /// The whole of a full step, recorded by the first call.
  void queue_recorded(const StepReport& report);
  /// Sends a step's figures to the host.
  void put_record(const torch::Tensor& numbers, const Rotations& rotations, const StepReport& report);
  /// Books a step's figures.
  StepReport finish(QueuedStep step, const StepFigures& figures);
  /// What a log step tells beside the step itself: memory, share of the peak, time left.
  void add_run_figures(StepReport& report) const;
  /// The memory that a recorded step reads and writes.
  struct RecordedStep {
    StepGraph graph;
    std::vector<Batch> inputs;  // of its micro-batches
    torch::Tensor step;         // int64 [1]: keys the dropout
    Rotations rotations;
    torch::Tensor numbers;      // of queue_update
  };
  /// Forward and backward of one micro-batch; returns its part of the loss.
  torch::Tensor micro_step(const Batch& batch, const Rotations& rotations, const Mix& mix, double weight);
  /// Rows of zeros.
  Batch empty_batch(int64_t rows) const;
  TokenGrid training_grid() const;
  /// A forward and backward pass on an empty batch of this size, for find_micro_batch; leaves no gradient.
  void try_micro_batch(int64_t micro_batch);
  void start_loader();
  Batch next_batch();
  std::optional<WorkItem> work(int64_t number);

  // The run (trainer.cpp).
  ExitCode run_ranks(ResumeMode mode);
  /// The first rank reads the checkpoint and sends it to the others, who may not see the file (yet).
  void resume();
  /// Opens what the first rank writes.
  void begin_outputs();
  /// Compares what must be equal, sends the first rank's weights, lays out the buckets of gradients.
  void prepare_ranks();
  /// Everything that a checkpoint holds <- the first rank's.
  void copy_state();
  /// The weights of init.checkpoint, where one is named.
  void import_initial_weights();
  /// False, and nothing is written, while the last steps were skipped as non-finite: the weights may be the cause. True in ranks that do not write.
  bool save(bool best);
  std::optional<EvaluationSums> evaluate_on(const Dataset& dataset, const std::string& title);
  /// False when stopped meanwhile.
  bool evaluate_epoch();
  bool evaluation_due() const;
  bool checkpoint_due() const;
  /// Whether the step's report goes into the metric files (a skipped step's always does).
  bool is_logged(int64_t step) const { return step % config_.log.every_steps == 0 || step == total_steps(); }
  ExitCode stop();
  /// Whether all ranks know that the run is to stop: of one rank the signal itself, of several what the last finished step's reduction said.
  bool stop_agreed() const;
  /// Tells a step's report to those who watch; throws where the run cannot go on.
  void tell(const std::optional<StepReport>& report);
  void check_divergence(const StepReport& report) const;
  /// The peak behind the share of it: measured on the CPU, at the run's threads and precision (40 ms); of the data sheet on a GPU (train/device_peak.h).
  void measure_peak();
  void write_summary(const std::string& state);
  NamedTensors checkpoint_tensors() const;

  Experiment experiment_;
  const ExperimentConfig& config_;
  torch::Device device_;
  Ranks alone_;
  Ranks& ranks_;
  TrainingParts parts_;
  Sampler sampler_;
  MicroBatchPlan plan_;
  Schedule schedule_;
  std::optional<Ema> ema_;
  RunState state_;
  std::optional<FmaPeak> peak_;
  std::optional<EvaluationSums> final_test_;  // of the test set at the end, where evaluations use a holdout
  struct Outputs;
  std::unique_ptr<Outputs> outputs_;            // of the first rank, while run() runs; of the others null
  std::unique_ptr<GradientReducer> reducer_;
  bool stop_agreed_ = false;
  int64_t resumed_step_ = 0;
  std::optional<Fault> fault_;                // of this rank, for tests
  double available_at_start_ = 0;             // bytes (train/memory.h)
  std::unique_ptr<Loader> loader_;
  std::optional<DeviceBatches> batches_;
  bool lagged_ = false;
  StepRecords records_;
  torch::Tensor lr_;                          // of a step whose update the device decides
  std::optional<RecordedStep> recorded_;
  int64_t steps_here_ = 0;                    // taken by this process
  std::deque<QueuedStep> queued_;             // steps whose figures are in records_, oldest first
  std::chrono::steady_clock::time_point last_report_{};
  double waited_ = 0;                         // for the loader, until the last report
  int64_t first_batch_ = 0;                   // number of the loader's first batch, counted from the start of the run
};

}  // namespace liere
