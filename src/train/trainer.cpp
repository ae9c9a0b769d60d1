#include "train/trainer.h"

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/files.h"
#include "data/datasets/factory.h"
#include "data/recipe_picture.h"
#include "train/autocast.h"
#include "train/loader_options.h"
#include "train/signals.h"

namespace liere {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

TrainingParts::TrainingParts(const ExperimentConfig& config, torch::Device device)
    : train_set(make_dataset(config.data.dataset, Split::kTrain)), test_set(make_dataset(config.data.dataset, Split::kTest)) {
  log_info(train_set->describe());
  log_info(test_set->describe());
  train_recipe = make_train_recipe(config.augment, config.model.input_size[0], config.model.input_size[1]);
  test_recipe = make_eval_recipe(config.augment, config.model.input_size[0], config.model.input_size[1]);
  train_indices = ablation_subset(train_set->size(), config.data.fraction);
  if (train_indices.empty()) throw ConfigError("data.fraction = " + std::to_string(config.data.fraction) + " leaves no training samples.");
  model = Vit(config.model, static_cast<int64_t>(train_set->class_names().size()));
  model->initialize(config.seed);
  model->to(device, parameter_dtype(config.train.precision));
  optimizer = std::make_unique<Optimizer>(config.optimizer, model->named_weights());
}

Trainer::Trainer(const Experiment& experiment, torch::Device device)
    : experiment_(experiment),
      config_(experiment_.config),
      device_(device),
      parts_(config_, device),
      sampler_(parts_.train_indices, config_.train.batch_size, config_.data.drop_last, config_.seed),
      schedule_(config_.schedule, parts_.optimizer->peak_lr(), sampler_.steps_per_epoch(), config_.train.epochs) {
  if (sampler_.steps_per_epoch() == 0)
    throw ConfigError("train.batch_size (" + std::to_string(config_.train.batch_size) + ") is larger than the training set (" + std::to_string(parts_.train_indices.size()) +
                      ") and data.drop_last is true: there is no step to make. Lower train.batch_size.");
}

int64_t Trainer::total_steps() const {
  const int64_t all = config_.train.epochs * sampler_.steps_per_epoch();
  return config_.train.steps ? std::min(*config_.train.steps, all) : all;
}

// --- data: batch number n of the run -> a micro-batch of a step -----------------------------------------------------------------------------------------

int64_t Trainer::batches_per_epoch() const {
  const int64_t steps = sampler_.steps_per_epoch(), batch = config_.train.batch_size, micro = *config_.train.micro_batch;
  const auto samples = static_cast<int64_t>(parts_.train_indices.size());
  const int64_t last = samples - (steps - 1) * batch;  // of the epoch's last step; with drop_last at least a whole batch
  return (steps - 1) * ceil_div(batch, micro) + ceil_div(std::min(last, batch), micro);
}

std::optional<WorkItem> Trainer::work(int64_t number) {
  const int64_t micro = *config_.train.micro_batch, per_step = ceil_div(config_.train.batch_size, micro);
  const int64_t epoch = (first_batch_ + number) / batches_per_epoch(), within = (first_batch_ + number) % batches_per_epoch();
  const int64_t step = within / per_step, part = within % per_step;
  if (epoch * sampler_.steps_per_epoch() + step >= total_steps()) return std::nullopt;
  const auto batch = sampler_.batch({epoch, step});
  WorkItem item;
  item.epoch = static_cast<uint32_t>(epoch);
  for (int64_t slot = part * micro; slot < std::min<int64_t>((part + 1) * micro, static_cast<int64_t>(batch.size())); ++slot) {
    item.indices.push_back(batch[static_cast<size_t>(slot)]);
    item.slots.push_back(slot);
  }
  return item;
}

void Trainer::start_loader() {
  const int64_t steps = sampler_.steps_per_epoch(), per_step = ceil_div(config_.train.batch_size, *config_.train.micro_batch);
  first_batch_ = state_.step / steps * batches_per_epoch() + state_.step % steps * per_step;
  loader_ = std::make_unique<Loader>(*parts_.train_set, *parts_.train_recipe, config_.seed, loader_options(config_.loader, device_), [this](int64_t number) { return work(number); });
}

// --- one step -------------------------------------------------------------------------------------------------------------------------------------------

torch::Tensor Trainer::micro_step(const Batch& batch, const Rotations& rotations, int64_t global_count) {
  ForwardOptions options;
  if (config_.model.dropout > 0) options.dropout = DropoutKey{config_.seed, state_.step, batch.slots_B};
  torch::Tensor loss;
  {
    AutocastScope autocast(device_.type(), config_.train.precision == Precision::kBf16);
    const auto logits_BC = parts_.model->forward(batch.input.to(device_, parameter_dtype(config_.train.precision), /*non_blocking=*/true), rotations, options);
    const auto wide_BC = logits_BC.to(torch::promoteTypes(logits_BC.scalar_type(), torch::kFloat32));
    loss = at::cross_entropy_loss(wide_BC, batch.labels_B.to(device_), {}, at::Reduction::Sum) / static_cast<double>(global_count);
  }
  loss.backward();
  return loss.detach();
}

StepReport Trainer::train_step() {
  if (!loader_) start_loader();
  auto& model = parts_.model;
  const auto start = Clock::now();
  const double waited = loader_->wait_seconds();
  const auto size = parts_.train_recipe->output_shape();
  const auto grid = model->grid({size.height, size.width});
  const auto in_epoch = state_.step % sampler_.steps_per_epoch();
  const int64_t count = std::min<int64_t>(config_.train.batch_size, static_cast<int64_t>(parts_.train_indices.size()) - in_epoch * config_.train.batch_size);

  parts_.optimizer->zero_grad();
  const auto rotations = model->position().rotations(grid, /*with_gradient=*/true);
  torch::Tensor loss;
  for (int64_t micro = 0; micro < ceil_div(count, *config_.train.micro_batch); ++micro) {
    const auto batch = loader_->next();
    if (!batch) throw Error(ExitCode::kFailure, "the loader ended before the epoch did: this is a defect, please report it.");
    const auto part = micro_step(*batch, rotations, count);
    loss = loss.defined() ? loss + part : part;
  }
  model->position().accumulate_gradients(rotations, grid);

  const auto parameters = model->named_weights();
  const auto norm = global_gradient_norm(parameters);
  StepReport report{state_.step / sampler_.steps_per_epoch(), state_.step + 1, state_.samples + count, loss.item<double>(), schedule_.lr(state_.step), norm.item<double>()};
  report.skipped = !std::isfinite(report.loss) || !std::isfinite(report.gradient_norm);
  if (!report.skipped) {
    if (config_.clip.norm) clip_gradients(parameters, norm, *config_.clip.norm);
    parts_.optimizer->step(report.lr);
    state_.loss_sum += report.loss * static_cast<double>(count);
    state_.loss_count += count;
  }
  state_.skipped += report.skipped;
  state_.skipped_in_a_row = report.skipped ? state_.skipped_in_a_row + 1 : 0;
  state_.step += 1;
  state_.samples += count;
  state_.epoch = state_.step / sampler_.steps_per_epoch();
  const double seconds = seconds_since(start);
  state_.seconds += seconds;
  report.samples_per_second = static_cast<double>(count) / seconds;
  report.data_wait = (loader_->wait_seconds() - waited) / seconds;
  return report;
}

StepReport Trainer::step_once() { return train_step(); }

// --- the run --------------------------------------------------------------------------------------------------------------------------------------------

NamedTensors Trainer::checkpoint_tensors() const {
  auto tensors = parts_.model->named_weights();
  for (const auto& [name, tensor] : parts_.optimizer->state()) tensors.emplace_back("optimizer." + name, tensor);
  return tensors;
}

void Trainer::resume(const std::filesystem::path& checkpoint) {
  const auto info = load_checkpoint(checkpoint, checkpoint_tensors(), /*weights_only=*/false, identity_lines(config_));
  state_ = info.state;
  parts_.optimizer->set_updates(state_.step - state_.skipped);
  log_info("resuming from " + checkpoint.string() + " (step " + format_count(state_.step) + " of " + format_count(total_steps()) + ")");
  if (info.threads != torch::get_num_threads())
    log_warning("the run used " + std::to_string(info.threads) + " threads so far, now " + std::to_string(torch::get_num_threads()) +
                ": figures may differ in the last digits. Set threads=" + std::to_string(info.threads) + " to continue bit for bit.");
}

bool Trainer::save(MetricFiles& files, bool best) {
  if (state_.skipped_in_a_row > 0) return false;
  state_.metric_offsets = files.offsets();
  CheckpointInfo info{state_, dump(config_), identity_lines(config_), parts_.train_set->class_names(), experiment_.name, static_cast<int>(torch::get_num_threads())};
  return writer_->submit(checkpoint_tensors(), std::move(info), best);
}

bool Trainer::evaluate_epoch(MetricFiles& files, Console& console) {
  console.pause();
  const auto start = Clock::now();
  EvaluationOptions options{.batch_size = config_.eval.batch_size, .limit = config_.eval.limit.value_or(0), .loader = config_.loader, .precision = config_.train.precision,
                            .device = device_, .shuffle_seed = std::nullopt, .title = "evaluate"};
  const auto result = evaluate(parts_.model, *parts_.test_set, *parts_.test_recipe, options);
  state_.seconds += seconds_since(start);
  if (!result) return false;
  EvaluationReport report{state_.epoch, state_.step, state_.samples, *result, state_.loss_count ? state_.loss_sum / static_cast<double>(state_.loss_count) : std::nan(""),
                          schedule_.lr(state_.step - 1)};
  report.best = result->top1() > state_.best.top1;
  if (report.best) state_.best = {result->top1(), state_.epoch, state_.step};
  state_.evaluated_step = state_.step;
  state_.evaluated = *result;
  state_.loss_sum = 0;
  state_.loss_count = 0;
  files.on_evaluation(report);
  console.on_evaluation(report, config_.train.epochs);
  save(files, report.best);
  return true;
}

ExitCode Trainer::run(ResumeMode mode) {
  RunFolder folder(experiment_, mode);
  if (folder.resume_from()) resume(*folder.resume_from());
  folder.begin(dump(config_));
  MetricFiles files(folder.path(), state_.metric_offsets);
  writer_ = std::make_unique<CheckpointWriter>(folder.path(), &folder.lock(), config_.checkpoint);
  const int64_t first_step = state_.step;
  const int64_t per_epoch = sampler_.steps_per_epoch(), total = total_steps();
  log_info("run folder " + folder.path().string() + ": " + encoding_label(config_.model.position) + ", " + format_count(parts_.model->parameter_count()) + " parameters, " +
           format_count(total) + " steps of " + format_count(config_.train.batch_size) + " images, " + std::string(name_of(config_.train.precision)) + " on " + device_.str());
  Console console(total, per_epoch, state_.step);

  const auto evaluation_due = [&] {
    if (state_.step == 0 || state_.evaluated_step == state_.step) return false;
    if (config_.eval.every_steps && state_.step % *config_.eval.every_steps == 0) return true;
    return state_.step == total || (state_.step % per_epoch == 0 && state_.epoch % config_.eval.every_epochs == 0);
  };
  const auto checkpoint_due = [&] {
    const bool epoch_end = state_.step % per_epoch == 0 && state_.epoch % config_.checkpoint.every_epochs == 0;
    return epoch_end || (config_.checkpoint.every_steps && state_.step % *config_.checkpoint.every_steps == 0);
  };
  const auto stop = [&] {
    console.pause();
    const bool saved = state_.step == first_step || save(files, /*best=*/false);
    writer_->finish();
    write_summary(folder, "stopped");
    log_info(std::string(stop_signal_name()) + ": stopped at step " + format_count(state_.step) + " of " + format_count(total) +
             (saved ? ", saved. The same command goes on from there." : ", not saved: the last steps were non-finite. The same command goes on from the checkpoint before them."));
    return ExitCode::kStoppedEarly;
  };

  if (evaluation_due() && !evaluate_epoch(files, console)) return stop();
  while (state_.step < total) {
    if (stop_requested()) return stop();
    const auto report = train_step();
    console.on_step(report);
    if (report.skipped) log_warning("step " + std::to_string(report.step) + ": loss " + std::to_string(report.loss) + ", gradient norm " + std::to_string(report.gradient_norm) + ": skipped");
    if (state_.skipped_in_a_row >= config_.train.non_finite_limit)
      throw DivergedError(std::to_string(state_.skipped_in_a_row) + " steps in a row had a non-finite loss or gradient (up to step " + std::to_string(state_.step) +
                          "). Lower optimizer.lr, set clip.norm, or use train.precision=fp32; the last good checkpoint is kept.");
    writer_->check();
    if (state_.step % config_.log.every_steps == 0 || report.skipped || state_.step == total) {
      folder.lock().check();
      files.on_step(report);
    }
    if (evaluation_due()) {
      if (!evaluate_epoch(files, console)) return stop();
    } else if (checkpoint_due()) {
      save(files, /*best=*/false);
    }
  }
  console.pause();
  writer_->finish();
  write_summary(folder, "done");
  log_info("done: " + format_count(state_.step) + " steps in " + format_duration(state_.seconds) + "; results in " + folder.path().string());
  return ExitCode::kDone;
}

}  // namespace liere
