#include "train/trainer.h"

#include <chrono>
#include <cmath>

#include "core/log.h"
#include "core/signals.h"
#include "data/class_names.h"
#include "train/memory.h"
#include "train/weights_import.h"

namespace liere {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// What belongs to the run's identity but is known only when it starts.
Experiment with_digests(Experiment experiment) {
  auto& init = experiment.config.init;
  if (init.checkpoint) init.digest = checked_digest(init);
  return experiment;
}

std::vector<int64_t> labels_of(const Dataset& dataset, const std::vector<int64_t>& indices) {
  std::vector<int64_t> labels;
  for (const int64_t index : indices) labels.push_back(dataset.label(index));
  return labels;
}

}  // namespace

/// What the first rank writes and shows.
struct Trainer::Outputs {
  Outputs(const Experiment& experiment, ResumeMode mode) : folder(experiment, mode) {}
  RunFolder folder;
  std::optional<MetricFiles> files;
  std::optional<CheckpointWriter> writer;
  std::optional<Console> console;
};

Trainer::Trainer(const Experiment& experiment, torch::Device device, Ranks* ranks) try
    : experiment_(with_digests(experiment)),
      config_(experiment_.config),
      device_(device),
      ranks_(ranks ? *ranks : alone_),
      parts_(config_, device),
      sampler_(parts_.train_indices, config_.train.batch_size, config_.data.drop_last, config_.seed, config_.data.balance ? labels_of(*parts_.train_set, parts_.train_indices) : std::vector<int64_t>{}),
      plan_{static_cast<int64_t>(parts_.train_indices.size()), config_.train.batch_size, *config_.train.micro_batch, sampler_.steps_per_epoch(), ranks_.rank(), ranks_.size()},
      schedule_(config_.schedule, parts_.optimizer->peak_lr(), sampler_.steps_per_epoch(), config_.train.epochs),
      lagged_(!device.is_cpu()),
      records_(device),
      lr_(parts_.optimizer->lr_tensor()) {
  fault_ = fault_of(ranks_.rank(), ranks_.size(), parts_.model->named_weights());
  set_recorded(config_.train.cuda_graph);
  if (config_.ema.decay) ema_.emplace(config_.ema, parts_.model->named_weights());
  if (config_.train.micro_batch->automatic)
    plan_.micro_batch = find_micro_batch(config_, *parts_.model, device_, [this](int64_t micro_batch) { try_micro_batch(micro_batch); });
  prepare_ranks();
  available_at_start_ = available_memory(device_);
} catch (const std::exception& error) {
  if (ranks) ranks->report_failure(error.what());  // no data, for one
}

Trainer::~Trainer() = default;

void Trainer::prepare_ranks() {
  NamedTensors reduced;
  for (const auto& entry : parts_.model->named_weights())
    if (!is_rotation(entry.first)) reduced.push_back(entry);
  if (ranks_.is_alone()) {
    reducer_ = std::make_unique<GradientReducer>(ranks_, reduced, config_.distributed);
    return;
  }
  if (config_.train.cuda_graph) throw ConfigError("train.cuda_graph records the work of one process: it does not go with several ranks. Switch it off.");
  std::string shapes;
  for (const auto& [name, tensor] : parts_.model->named_weights()) shapes += name + " " + c10::str(tensor.sizes()) + "\n";
  ranks_.require_same({{"program (the digest of its file)", program_digest()}, {"configuration", dump(config_)}, {"training set", parts_.train_set->describe() + "\n" + std::to_string(plan_.samples) + " samples"},
                       {"test set", parts_.test_set->describe()}, {"weights", shapes}});
  for (const auto& theirs : ranks_.gather(std::to_string(plan_.micro_batch), "the size of micro-batches")) plan_.micro_batch = std::min<int64_t>(plan_.micro_batch, std::stoll(theirs));
  copy_state();
  reducer_ = std::make_unique<GradientReducer>(ranks_, reduced, config_.distributed);
  // One backward pass shows in which order gradients come; buckets are laid out once, so that a resumed run adds in the same order.
  reducer_->reduced([this] { return micro_step(empty_batch(1), parts_.model->position().rotations(training_grid(), /*with_gradient=*/true), {}, 0); });
  parts_.optimizer->zero_grad();
  reducer_->settle();
}

void Trainer::copy_state() {
  std::vector<torch::Tensor> tensors;
  for (const auto& [name, tensor] : checkpoint_tensors()) tensors.push_back(tensor);
  ranks_.copy_from_first(tensors, "the first rank's weights");
}

int64_t Trainer::total_steps() const {
  const int64_t all = config_.train.epochs * sampler_.steps_per_epoch();
  return config_.train.steps ? std::min(*config_.train.steps, all) : all;
}

NamedTensors Trainer::checkpoint_tensors() const {
  auto tensors = parts_.model->named_weights();
  for (const auto& [name, tensor] : parts_.optimizer->state()) tensors.emplace_back("optimizer." + name, tensor);
  if (ema_)
    for (const auto& entry : ema_->state()) tensors.push_back(entry);
  return tensors;
}

void Trainer::resume() {
  std::string text, from;
  if (outputs_) {
    from = outputs_->folder.resume_from()->string();
    text = text_of(load_checkpoint(from, checkpoint_tensors(), CheckpointPart::kEverything, identity_lines(config_)));
  }
  const auto info = info_of_text(ranks_.from_first(text, "the checkpoint"));
  copy_state();
  require_same_classes(info.class_names, from, *parts_.train_set);
  state_ = info.state;
  resumed_step_ = state_.step;
  parts_.optimizer->set_updates(state_.step - state_.skipped);
  log_info("resuming from " + from + " (step " + format_count(state_.step) + " of " + format_count(total_steps()) + ")");
  if (ranks_.is_first() && info.threads != torch::get_num_threads())
    log_warning("the run used " + std::to_string(info.threads) + " threads so far, now " + std::to_string(torch::get_num_threads()) +
                ": figures may differ in the last digits. Set threads=" + std::to_string(info.threads) + " to continue bit for bit.");
}

void Trainer::import_initial_weights() {
  if (!config_.init.checkpoint) return;
  log_info(describe_import(import_weights(*parts_.model, *config_.init.checkpoint)));
  if (ema_) ema_->reset(parts_.model->named_weights());
  copy_state();
}

bool Trainer::save(bool best) {
  if (state_.skipped_in_a_row > 0) return false;
  if (!outputs_) return true;
  try {
    state_.metric_offsets = outputs_->files->offsets();
  } catch (const CheckpointError& error) {
    outputs_->writer->fail(error.what());
    return false;
  }
  CheckpointInfo info{state_, dump(config_), identity_lines(config_), parts_.train_set->class_names(), experiment_.name, static_cast<int>(torch::get_num_threads())};
  return outputs_->writer->submit(checkpoint_tensors(), std::move(info), best);
}

std::optional<EvaluationSums> Trainer::evaluate_on(const Dataset& dataset, const std::string& title) {
  const auto start = Clock::now();
  const EvaluationOptions options{.batch_size = config_.eval.batch_size, .limit = config_.eval.limit.value_or(0), .loader = config_.loader, .precision = config_.train.precision,
                                  .device = device_, .ranks = &ranks_, .shuffle_seed = std::nullopt, .title = title};
  std::optional<SwappedWeights> averaged;
  if (config_.eval.weights == EvalWeights::kEma) averaged.emplace(parts_.model->named_weights(), ema_->tensors());
  const auto result = evaluate(parts_.model, dataset, *parts_.test_recipe, options);
  state_.seconds += seconds_since(start);
  return result;
}

bool Trainer::evaluate_epoch() {
  if (outputs_) {
    outputs_->console->pause();
    outputs_->files->flush();
  }
  const auto result = evaluate_on(parts_.validation_set(), "evaluate");
  if (!result) return false;
  EvaluationReport report{state_.epoch, state_.step, state_.samples, result->views, state_.loss_count ? state_.loss_sum / static_cast<double>(state_.loss_count) : std::nan(""),
                          schedule_.lr(state_.step - 1)};
  report.split = parts_.validation_name();
  if (result->several_views()) report.videos = result->samples;
  report.best = result->views.top1() > state_.best.top1;
  if (report.best) state_.best = {result->views.top1(), state_.epoch, state_.step};
  state_.evaluated_step = state_.step;
  state_.evaluated = *result;
  state_.loss_sum = 0;
  state_.loss_count = 0;
  if (outputs_) {
    outputs_->files->on_evaluation(report);
    outputs_->console->on_evaluation(report, config_.train.epochs);
  }
  save(report.best);
  return true;
}

bool Trainer::evaluation_due() const {
  if (state_.step == 0 || state_.evaluated_step == state_.step) return false;
  if (config_.eval.every_steps && state_.step % *config_.eval.every_steps == 0) return true;
  return state_.step == total_steps() || (state_.step % steps_per_epoch() == 0 && state_.epoch % config_.eval.every_epochs == 0);
}

bool Trainer::checkpoint_due() const {
  const bool epoch_end = state_.step % steps_per_epoch() == 0 && state_.epoch % config_.checkpoint.every_epochs == 0;
  return epoch_end || (config_.checkpoint.every_steps && state_.step % *config_.checkpoint.every_steps == 0);
}

void Trainer::check_divergence(const StepReport& report) const {
  if (report.skipped && ranks_.is_first()) log_warning("step " + std::to_string(report.step) + ": loss " + std::to_string(report.loss) + ", gradient norm " + std::to_string(report.gradient_norm) + ": skipped");
  if (state_.skipped_in_a_row >= config_.train.non_finite_limit)
    throw DivergedError(std::to_string(state_.skipped_in_a_row) + " steps in a row had a non-finite loss or gradient (up to step " + std::to_string(report.step) +
                        "). Lower optimizer.lr, set clip.norm, or use train.precision=fp32; the last good checkpoint is kept.");
}

void Trainer::tell(const std::optional<StepReport>& report) {
  if (outputs_) {
    outputs_->folder.lock().check();
    if (report) outputs_->console->on_step(*report);
    outputs_->writer->check();
    if (report && (is_logged(report->step) || report->skipped)) outputs_->files->on_step(*report);
    outputs_->files->tick();
  }
  if (report) check_divergence(*report);
}

bool Trainer::stop_agreed() const { return ranks_.is_alone() ? stop_requested() : stop_agreed_; }

ExitCode Trainer::stop() {
  tell(drain());
  const bool saved = state_.step == resumed_step_ || save(/*best=*/false);
  if (outputs_) {
    outputs_->writer->finish();
    write_summary("stopped");
    log_info(std::string(*stop_signal_name() ? stop_signal_name() : "a signal to another rank") + ": stopped at step " + format_count(state_.step) + " of " + format_count(total_steps()) +
             (saved ? ", saved. The same command goes on from there." : ", not saved: the last steps were non-finite. The same command goes on from the checkpoint before them."));
  }
  return ExitCode::kStoppedEarly;
}

void Trainer::begin_outputs() {
  auto& o = *outputs_;
  o.folder.begin(dump(config_));
  o.files.emplace(o.folder.path(), state_.metric_offsets, MetricOptions{.flush_seconds = config_.log.flush_seconds, .tensorboard = config_.log.tensorboard, .step = state_.step, .config = dump(config_)});
  o.writer.emplace(o.folder.path(), &o.folder.lock(), config_.checkpoint);
  log_info("run folder " + o.folder.path().string() + ": " + encoding_label(config_.model.position) + ", " + format_count(parts_.model->parameter_count()) + " parameters, " +
           format_count(total_steps()) + " steps of " + format_count(config_.train.batch_size) + " " + sample_unit(config_) + ", " + std::string(name_of(config_.train.precision)) + " on " + device_.str() +
           (ranks_.is_alone() ? "" : ", ranks: " + std::to_string(ranks_.size())));
  measure_peak();
  o.console.emplace(total_steps(), steps_per_epoch(), state_.step, sample_unit(config_));
}

ExitCode Trainer::run(ResumeMode mode) {
  try {
    const auto code = run_ranks(mode);
    ranks_.finish();
    outputs_.reset();
    return code;
  } catch (const std::exception& error) {
    ranks_.report_failure(error.what());
    outputs_.reset();
    throw;
  }
}

ExitCode Trainer::run_ranks(ResumeMode mode) {
  if (ranks_.is_first()) outputs_ = std::make_unique<Outputs>(experiment_, mode);
  const bool resuming = !ranks_.from_first(outputs_ && outputs_->folder.resume_from() ? "yes" : "", "the choice of a checkpoint").empty();
  if (resuming) resume();
  else import_initial_weights();
  if (outputs_) begin_outputs();
  reset_peak_memory(device_);

  if (evaluation_due() && !evaluate_epoch()) return stop();
  while (state_.step < total_steps()) {
    if (stop_agreed()) return stop();
    tell(train_step());
    const bool evaluate_now = evaluation_due();
    if (!evaluate_now && !checkpoint_due()) continue;
    tell(drain());
    if (!evaluate_now) save(/*best=*/false);
    else if (!evaluate_epoch()) return stop();
  }
  if (outputs_) outputs_->console->pause();
  if (parts_.holdout_set && !(final_test_ = evaluate_on(*parts_.test_set, "test"))) return stop();
  if (outputs_) {
    outputs_->writer->finish();
    write_summary("done");
    log_info("done: " + format_count(state_.step) + " steps in " + format_duration(state_.seconds) + "; results in " + outputs_->folder.path().string());
  }
  return ExitCode::kDone;
}

}  // namespace liere
