// One optimiser step: make the rotations, run the micro-batches, turn rotation gradients into the generators' gradients, clip, update.
// On a GPU the host only queues: whether a step is skipped as non-finite is decided there, and its figures are read while the next step runs.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "core/log.h"
#include "core/signals.h"
#include "models/autocast.h"
#include "train/device.h"
#include "train/loader_options.h"
#include "train/memory.h"
#include "train/micro_step.h"
#include "train/mixing.h"
#include "train/trainer.h"

namespace liere {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kStepsBeforeRecording = 3;  // libraries choose algorithms and take their working memory in the first ones

}  // namespace

void Trainer::set_recorded(bool recorded) {
  recorded_.reset();
  if (recorded) recorded_.emplace(RecordedStep{StepGraph(device_), {}, torch::zeros({1}, torch::TensorOptions().device(device_).dtype(torch::kInt64)), {}, {}});
}

std::optional<WorkItem> Trainer::work(int64_t number) {
  if (!plan_.has_any()) return std::nullopt;
  const auto place = plan_.place(first_batch_ + number);
  if (place.step >= total_steps()) return std::nullopt;
  const auto batch = sampler_.batch(place.cursor);
  const auto slots = plan_.slots_in(place.cursor.step);
  const int64_t begin = slots.begin + place.part * plan_.micro_batch;
  WorkItem item;
  item.epoch = static_cast<uint32_t>(place.cursor.epoch);
  for (int64_t slot = begin; slot < std::min(begin + plan_.micro_batch, slots.end); ++slot) {
    item.indices.push_back(batch[static_cast<size_t>(slot)]);
    item.slots.push_back(slot);
  }
  return item;
}

void Trainer::start_loader() {
  first_batch_ = plan_.first_of(state_.step);
  loader_ = std::make_unique<Loader>(*parts_.train_set, *parts_.train_recipe, config_.seed,
                                     training_loader_options(config_.loader, device_, parts_.train_indices, std::filesystem::path(config_.output) / "bad_samples.txt"), [this](int64_t number) { return work(number); });
  batches_.emplace(*loader_, device_, /*ahead=*/lagged_);
}

torch::Tensor micro_step(Vit& model, const ExperimentConfig& config, torch::Device device, const Batch& batch, const Rotations& rotations, const Mix& mix, int64_t step,
                         double weight, const torch::Tensor& step_on_device) {
  ForwardOptions options;
  if (config.model.dropout > 0 || config.model.drop_path > 0) options.dropout = DropoutKey{config.seed, step, batch.slots_B, step_on_device};
  options.recompute = config.train.activation_checkpointing;
  const auto pairing = config.mixup.pairing;
  const auto input = mix_inputs(batch.input.to(device, parameter_dtype(config.train.precision), /*non_blocking=*/true), mix, pairing);
  const auto labels_B = batch.labels_B.to(device, /*non_blocking=*/true);
  torch::Tensor loss;
  {
    AutocastScope autocast(device.type(), config.train.precision == Precision::kBf16);
    const auto logits_BC = model->forward(input, rotations, options);
    const auto wide_BC = logits_BC.to(torch::promoteTypes(logits_BC.scalar_type(), torch::kFloat32));
    torch::Tensor sum;
    if (batch.targets_BC.defined()) {
      const double smoothing = config.loss.label_smoothing;
      const auto targets_BC = batch.targets_BC.to(device, wide_BC.scalar_type(), /*non_blocking=*/true) * (1 - smoothing) + smoothing / 2;
      sum = soft_loss_sum(config.loss, wide_BC, mix_targets(targets_BC, mix, pairing));
    } else if (mix.kind == Mix::Kind::kNone) {
      sum = loss_sum(config.loss, wide_BC, labels_B);
    } else {
      sum = soft_loss_sum(config.loss, wide_BC, mixed_targets(labels_B, wide_BC.size(1), config.loss.label_smoothing, mix, pairing, wide_BC.scalar_type()));
    }
    loss = sum * weight;
  }
  loss.backward();
  return loss.detach();
}

torch::Tensor Trainer::micro_step(const Batch& batch, const Rotations& rotations, const Mix& mix, double weight) {
  return liere::micro_step(parts_.model, config_, device_, batch, rotations, mix, state_.step, weight);
}

Batch Trainer::empty_batch(int64_t rows) const {
  std::vector<int64_t> shape = {rows, config_.model.channels};
  shape.insert(shape.end(), config_.model.input_size.begin(), config_.model.input_size.end());
  Batch batch;
  batch.input = torch::zeros(shape);
  batch.labels_B = torch::zeros({rows}, torch::kInt64);
  if (parts_.train_set->multi_label()) batch.targets_BC = torch::zeros({rows, static_cast<int64_t>(parts_.train_set->class_names().size())});
  batch.slots_B = torch::arange(rows, torch::kInt64);
  return batch;
}

void Trainer::try_micro_batch(int64_t micro_batch) {
  const auto grid = training_grid();
  const auto rotations = parts_.model->position().rotations(grid, /*with_gradient=*/true);
  micro_step(empty_batch(micro_batch), rotations, {}, 1.0 / static_cast<double>(micro_batch));
  parts_.model->position().accumulate_gradients(rotations, grid);
  parts_.optimizer->zero_grad();
}

std::optional<StepReport> Trainer::train_step() {
  try {
    return take_step();
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    throw DeviceError(out_of_memory_message(config_, *parts_.model, device_, plan_.micro_batch, available_at_start_));
  }
}

TokenGrid Trainer::training_grid() const {
  return parts_.model->grid(config_.model.input_size);
}

std::optional<StepReport> Trainer::take_step() {
  if (!loader_) start_loader();
  ranks_.set_step(state_.step + 1);
  QueuedStep step;
  step.start = Clock::now();
  step.count = plan_.samples_in(state_.step % sampler_.steps_per_epoch());
  step.report = {state_.step / sampler_.steps_per_epoch(), state_.step + 1, state_.samples + step.count};
  step.report.lr = schedule_.lr(state_.step);

  std::optional<StepFigures> figures;
  if (recorded_ && lagged_ && !fault_ && step.count == config_.train.batch_size && steps_here_ >= kStepsBeforeRecording) {
    queue_recorded(step.report);
  } else {
    parts_.optimizer->zero_grad();
    if (fault_ && fault_->strikes(step.report.step)) strike(*fault_, step.report.step, parts_.model->named_weights());
    const auto rotations = parts_.model->position().rotations(training_grid(), /*with_gradient=*/true);
    const auto loss = add_gradients(rotations, step.count);
    lr_.fill_(step.report.lr);
    if (lagged_) put_record(queue_update(loss), rotations, step.report);
    else figures = update(loss, rotations, step.report);
  }
  ++steps_here_;
  state_.step += 1;
  state_.samples += step.count;
  state_.epoch = state_.step / sampler_.steps_per_epoch();
  if (figures) return finish(std::move(step), *figures);
  queued_.push_back(std::move(step));
  if (queued_.size() < 2) return std::nullopt;
  return drain();
}

Batch Trainer::next_batch() {
  auto batch = batches_->next();
  if (!batch) throw Error(ExitCode::kFailure, "the loader ended before the epoch did: this is a defect, please report it.");
  return std::move(*batch);
}

torch::Tensor Trainer::add_gradients(const Rotations& rotations, int64_t count) {
  const auto size = parts_.train_recipe->output_shape();
  const auto mix = draw_mix(config_.mixup, config_.seed, state_.step, size.height, size.width);
  const int64_t micro_batches = plan_.micro_batches_in(state_.step % sampler_.steps_per_epoch());
  const double weight = static_cast<double>(ranks_.size()) / static_cast<double>(count);
  torch::Tensor loss;
  for (int64_t micro = 0; micro < micro_batches; ++micro) {
    const auto batch = next_batch();
    const auto pass = [&] { return micro_step(batch, rotations, mix, weight); };
    const auto part = micro + 1 == micro_batches ? reducer_->reduced(pass) : pass();
    loss = loss.defined() ? loss + part : part;
    batches_->prefetch();
  }
  // Every rank takes part in every reduction.
  if (micro_batches == 0) loss = reducer_->reduced([&] { return micro_step(empty_batch(1), rotations, {}, 0); });
  parts_.model->position().accumulate_gradients(rotations, training_grid());
  return loss;
}

torch::Tensor Trainer::reduce_rest(const torch::Tensor& loss) {
  if (ranks_.is_alone()) return torch::zeros({}, loss.options());
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> gradients, parts;
  for (const auto& [name, parameter] : parts_.model->named_weights())
    if (is_rotation(name)) gradients.push_back(parameter.grad());
  const auto options = torch::TensorOptions().device(device_).dtype(parameter_dtype(config_.train.precision));
  for (const auto& gradient : gradients) parts.push_back(gradient.reshape({-1}));
  parts.push_back(loss.reshape({1}).to(options.dtype()));
  parts.push_back(torch::full({1}, stop_requested() ? 1.0 : 0.0, options));
  auto all = at::cat(parts);
  ranks_.add(all, "the gradients of the encoding");
  all.div_(ranks_.size());
  int64_t offset = 0;
  for (auto& gradient : gradients) {
    gradient.copy_(all.narrow(0, offset, gradient.numel()).view(gradient.sizes()));
    offset += gradient.numel();
  }
  loss.copy_(all[offset]);
  return all[offset + 1];
}

void Trainer::queue_recorded(const StepReport& report) {
  auto& r = *recorded_;
  const auto parts = static_cast<size_t>(plan_.micro_batches_in(state_.step % sampler_.steps_per_epoch()));
  for (size_t part = 0; part < parts; ++part) {
    const auto batch = next_batch();
    if (r.inputs.size() < parts)
      r.inputs.push_back({.input = torch::empty_like(batch.input, device_), .labels_B = torch::empty_like(batch.labels_B, device_),
                          .targets_BC = batch.targets_BC.defined() ? torch::empty_like(batch.targets_BC, device_) : torch::Tensor(), .slots_B = batch.slots_B});
    r.inputs[part].input.copy_(batch.input, /*non_blocking=*/true);
    r.inputs[part].labels_B.copy_(batch.labels_B, /*non_blocking=*/true);
    if (batch.targets_BC.defined()) r.inputs[part].targets_BC.copy_(batch.targets_BC, /*non_blocking=*/true);
    batches_->prefetch();
  }
  r.step.fill_(state_.step);
  lr_.fill_(report.lr);
  if (!r.graph.is_recorded()) {
    parts_.optimizer->zero_grad();
    r.graph.record([this, &r, grid = training_grid()] {
      parts_.optimizer->zero_grad();
      r.rotations = parts_.model->position().rotations(grid, /*with_gradient=*/true);
      torch::Tensor loss;
      for (const auto& batch : r.inputs) {
        const auto part = liere::micro_step(parts_.model, config_, device_, batch, r.rotations, {}, /*step=*/0, 1.0 / static_cast<double>(config_.train.batch_size), r.step);
        loss = loss.defined() ? loss + part : part;
      }
      parts_.model->position().accumulate_gradients(r.rotations, grid);
      r.numbers = queue_update(loss);
    });
  }
  r.graph.queue();
  put_record(r.numbers, r.rotations, report);
}

Trainer::StepFigures Trainer::update(const torch::Tensor& loss, const Rotations& rotations, const StepReport& report) {
  const auto parameters = parts_.model->named_weights();
  const auto stop = reduce_rest(loss);
  const auto norm = global_gradient_norm(parameters);
  StepFigures figures{loss.item<double>(), norm.item<double>()};
  figures.stop = stop.item<double>() > 0;
  figures.skipped = !std::isfinite(figures.loss) || !std::isfinite(figures.gradient_norm);
  if (!figures.skipped) {
    if (config_.clip.norm) clip_gradients(parameters, norm, *config_.clip.norm);
    parts_.optimizer->step(report.lr);
    if (ema_) ema_->update(parameters, parts_.optimizer->updates());
  }
  if (is_logged(report.step)) figures.orthogonality = orthogonality_error(rotations);
  return figures;
}

torch::Tensor Trainer::queue_update(const torch::Tensor& loss) {
  const torch::NoGradGuard no_grad;
  const auto parameters = parts_.model->named_weights();
  const auto stop = reduce_rest(loss);
  const auto norm = global_gradient_norm(parameters);
  const auto skip = at::isfinite(loss).logical_and(at::isfinite(norm)).logical_not().to(torch::kFloat32);
  if (config_.clip.norm) clip_gradients(parameters, norm, *config_.clip.norm);  // of a step that is skipped nobody reads the gradients
  parts_.optimizer->step_unless(skip, lr_);
  if (ema_) ema_->update_unless(skip, parameters, parts_.optimizer->updates_on_device());
  return at::stack({loss.to(torch::kFloat64), norm.to(torch::kFloat64), skip.to(torch::kFloat64), stop.to(torch::kFloat64)});
}

void Trainer::put_record(const torch::Tensor& numbers, const Rotations& rotations, const StepReport& report) {
  const bool measured = is_logged(report.step) && rotations.kind != Rotations::Kind::kNone;
  records_.put(measured ? at::cat({numbers, orthogonality_error_on_device(rotations).to(torch::kFloat64).view({1})}) : numbers);
}

std::optional<StepReport> Trainer::drain() {
  if (queued_.empty()) return std::nullopt;
  auto step = std::move(queued_.front());
  queued_.pop_front();
  const auto numbers = ranks_.watched("the figures of a step", [this] { return records_.take(); });
  StepFigures figures{.loss = numbers[0], .gradient_norm = numbers[1], .skipped = numbers[2] != 0, .stop = numbers[3] > 0};
  if (is_logged(step.report.step)) figures.orthogonality = numbers.size() > 4 ? numbers[4] : 0;
  if (!figures.skipped) parts_.optimizer->count_update();
  return finish(std::move(step), figures);
}

StepReport Trainer::finish(QueuedStep step, const StepFigures& figures) {
  StepReport report = step.report;
  report.loss = figures.loss;
  report.gradient_norm = figures.gradient_norm;
  report.skipped = figures.skipped;
  report.orthogonality = figures.orthogonality;
  if (!report.skipped) {
    state_.loss_sum += report.loss * static_cast<double>(step.count);
    state_.loss_count += step.count;
  }
  stop_agreed_ = stop_agreed_ || figures.stop;
  state_.skipped += report.skipped;
  state_.skipped_in_a_row = report.skipped ? state_.skipped_in_a_row + 1 : 0;
  // Steps overlap where figures are read later: each counts from the report before it.
  const auto from = std::max(step.start, last_report_);
  last_report_ = Clock::now();
  const double seconds = std::chrono::duration<double>(last_report_ - from).count(), waited = loader_->wait_seconds();
  state_.seconds += seconds;
  report.samples_per_second = static_cast<double>(step.count) / seconds;
  report.data_wait = std::min((waited - std::exchange(waited_, waited)) / seconds, 1.0);
  add_run_figures(report);
  return report;
}

void Trainer::add_run_figures(StepReport& report) const {
  report.skipped_steps = state_.skipped;
  if (!is_logged(report.step)) return;
  report.memory = peak_memory_of(device_);
  report.seconds_left = state_.seconds / static_cast<double>(report.step) * static_cast<double>(total_steps() - report.step);
  if (peak_) report.mfu = model_flop_share(parts_.model->flops_per_sample(training_grid()), report.samples_per_second / static_cast<double>(ranks_.size()), *peak_);
}

void Trainer::measure_peak() {
  const auto kind = fma_kind(config_.train.precision);
  if (const auto gpu = gpu_figures(device_)) {
    peak_ = data_sheet_peak(*gpu, kind);
    log_info(peak_ ? "peak by data sheet: " + format_count(std::llround(peak_->flop_per_second / 1e9)) + " GFLOP/s (" + peak_->instruction + "; " + gpu->name + ", multiprocessors: " +
                         std::to_string(gpu->multiprocessors) + ")"
                   : "no data sheet's peak is known of " + gpu->name + " at this precision: no mfu");
    return;
  }
  if (!device_.is_cpu()) return;
  peak_ = measure_fma_peak(static_cast<int>(torch::get_num_threads()), kind);
  log_info("measured peak: " + format_count(std::llround(peak_->flop_per_second / 1e9)) + " GFLOP/s (" + peak_->instruction + ", threads: " + std::to_string(peak_->threads) + ")");
}

StepReport Trainer::step_once() {
  if (auto report = train_step()) return *report;
  return *drain();
}

}  // namespace liere
