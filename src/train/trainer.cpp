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

Trainer::Trainer(const Experiment& experiment, torch::Device device)
    : experiment_(with_digests(experiment)),
      config_(experiment_.config),
      device_(device),
      parts_(config_, device),
      sampler_(parts_.train_indices, config_.train.batch_size, config_.data.drop_last, config_.seed, config_.data.balance ? labels_of(*parts_.train_set, parts_.train_indices) : std::vector<int64_t>{}),
      plan_{static_cast<int64_t>(parts_.train_indices.size()), config_.train.batch_size, *config_.train.micro_batch, sampler_.steps_per_epoch()},
      schedule_(config_.schedule, parts_.optimizer->peak_lr(), sampler_.steps_per_epoch(), config_.train.epochs),
      lagged_(!device.is_cpu()),
      records_(device),
      lr_(parts_.optimizer->lr_tensor()) {
  set_recorded(config_.train.cuda_graph);
  if (config_.ema.decay) ema_.emplace(config_.ema, parts_.model->named_weights());
  if (config_.train.micro_batch->automatic)
    plan_.micro_batch = find_micro_batch(config_, *parts_.model, device_, [this](int64_t micro_batch) { try_micro_batch(micro_batch); });
  available_at_start_ = available_memory(device_);
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

void Trainer::resume(const std::filesystem::path& checkpoint) {
  const auto info = load_checkpoint(checkpoint, checkpoint_tensors(), CheckpointPart::kEverything, identity_lines(config_));
  require_same_classes(info.class_names, checkpoint.string(), *parts_.train_set);
  state_ = info.state;
  resumed_step_ = state_.step;
  parts_.optimizer->set_updates(state_.step - state_.skipped);
  log_info("resuming from " + checkpoint.string() + " (step " + format_count(state_.step) + " of " + format_count(total_steps()) + ")");
  if (info.threads != torch::get_num_threads())
    log_warning("the run used " + std::to_string(info.threads) + " threads so far, now " + std::to_string(torch::get_num_threads()) +
                ": figures may differ in the last digits. Set threads=" + std::to_string(info.threads) + " to continue bit for bit.");
}

void Trainer::import_initial_weights() {
  if (!config_.init.checkpoint) return;
  log_info(describe_import(import_weights(*parts_.model, *config_.init.checkpoint)));
  if (ema_) ema_->reset(parts_.model->named_weights());
}

bool Trainer::save(MetricFiles& files, bool best) {
  if (state_.skipped_in_a_row > 0) return false;
  try {
    state_.metric_offsets = files.offsets();
  } catch (const CheckpointError& error) {
    writer_->fail(error.what());
    return false;
  }
  CheckpointInfo info{state_, dump(config_), identity_lines(config_), parts_.train_set->class_names(), experiment_.name, static_cast<int>(torch::get_num_threads())};
  return writer_->submit(checkpoint_tensors(), std::move(info), best);
}

std::optional<EvaluationSums> Trainer::evaluate_on(const Dataset& dataset, const std::string& title) {
  const auto start = Clock::now();
  const EvaluationOptions options{.batch_size = config_.eval.batch_size, .limit = config_.eval.limit.value_or(0), .loader = config_.loader, .precision = config_.train.precision,
                                  .device = device_, .shuffle_seed = std::nullopt, .title = title};
  std::optional<SwappedWeights> averaged;
  if (config_.eval.weights == EvalWeights::kEma) averaged.emplace(parts_.model->named_weights(), ema_->tensors());
  const auto result = evaluate(parts_.model, dataset, *parts_.test_recipe, options);
  state_.seconds += seconds_since(start);
  return result;
}

bool Trainer::evaluate_epoch(MetricFiles& files, Console& console) {
  console.pause();
  files.flush();
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
  files.on_evaluation(report);
  console.on_evaluation(report, config_.train.epochs);
  save(files, report.best);
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
  if (report.skipped) log_warning("step " + std::to_string(report.step) + ": loss " + std::to_string(report.loss) + ", gradient norm " + std::to_string(report.gradient_norm) + ": skipped");
  if (state_.skipped_in_a_row >= config_.train.non_finite_limit)
    throw DivergedError(std::to_string(state_.skipped_in_a_row) + " steps in a row had a non-finite loss or gradient (up to step " + std::to_string(report.step) +
                        "). Lower optimizer.lr, set clip.norm, or use train.precision=fp32; the last good checkpoint is kept.");
}

void Trainer::tell(const std::optional<StepReport>& report, MetricFiles& files, Console& console) {
  if (report) console.on_step(*report);
  writer_->check();
  if (report && (is_logged(report->step) || report->skipped)) files.on_step(*report);
  files.tick();
  if (report) check_divergence(*report);
}

ExitCode Trainer::stop(RunFolder& folder, MetricFiles& files, Console& console) {
  tell(drain(), files, console);
  const bool saved = state_.step == resumed_step_ || save(files, /*best=*/false);
  writer_->finish();
  write_summary(folder, "stopped");
  log_info(std::string(stop_signal_name()) + ": stopped at step " + format_count(state_.step) + " of " + format_count(total_steps()) +
           (saved ? ", saved. The same command goes on from there." : ", not saved: the last steps were non-finite. The same command goes on from the checkpoint before them."));
  return ExitCode::kStoppedEarly;
}

ExitCode Trainer::run(ResumeMode mode) {
  RunFolder folder(experiment_, mode);
  if (folder.resume_from()) resume(*folder.resume_from());
  else import_initial_weights();
  folder.begin(dump(config_));
  MetricFiles files(folder.path(), state_.metric_offsets,
                    {.flush_seconds = config_.log.flush_seconds, .tensorboard = config_.log.tensorboard, .step = state_.step, .config = dump(config_)});
  CheckpointWriter writer(folder.path(), &folder.lock(), config_.checkpoint);
  writer_ = &writer;
  const int64_t total = total_steps();
  log_info("run folder " + folder.path().string() + ": " + encoding_label(config_.model.position) + ", " + format_count(parts_.model->parameter_count()) + " parameters, " +
           format_count(total) + " steps of " + format_count(config_.train.batch_size) + " " + sample_unit(config_) + ", " + std::string(name_of(config_.train.precision)) + " on " + device_.str());
  measure_peak();
  reset_peak_memory(device_);
  Console console(total, steps_per_epoch(), state_.step, sample_unit(config_));

  if (evaluation_due() && !evaluate_epoch(files, console)) return stop(folder, files, console);
  while (state_.step < total) {
    if (stop_requested()) return stop(folder, files, console);
    const auto report = train_step();
    folder.lock().check();
    tell(report, files, console);
    const bool evaluate_now = evaluation_due();
    if (!evaluate_now && !checkpoint_due()) continue;
    tell(drain(), files, console);
    if (!evaluate_now) save(files, /*best=*/false);
    else if (!evaluate_epoch(files, console)) return stop(folder, files, console);
  }
  console.pause();
  if (parts_.holdout_set && !(final_test_ = evaluate_on(*parts_.test_set, "test"))) return stop(folder, files, console);
  writer_->finish();
  write_summary(folder, "done");
  log_info("done: " + format_count(state_.step) + " steps in " + format_duration(state_.seconds) + "; results in " + folder.path().string());
  return ExitCode::kDone;
}

}  // namespace liere
