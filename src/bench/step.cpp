#include "bench/step.h"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

#include "bench/timing.h"
#include "models/initialize.h"
#include "train/device.h"
#include "train/micro_step.h"
#include "train/training_parts.h"

namespace liere {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_of(const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); }
double cpu_seconds(const rusage& usage) { return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime); }
rusage usage_now() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage;
}


/// When the parts of the steps began and ended: on a GPU its events, read at the end; on the CPU the processor's time for parts, the clock for steps.
class StepClock {
 public:
  explicit StepClock(torch::Device device) : device_(device) {}

  void part_begins() { part_ = mark(); }
  void part_ends() {
    auto end = mark();
    parts_.push_back({std::move(part_), std::move(end)});
  }
  /// Waits until the GPU is at most one step behind.
  void step_ends() {
    ends_.push_back(mark());
    if (device_.is_cpu() || ends_.size() < 2) return;
    ends_[ends_.size() - 2].event->synchronize();
  }
  /// Forgets what is past; the next step is timed from here.
  void restart() {
    if (!device_.is_cpu() && !ends_.empty()) ends_.back().event->synchronize();
    parts_.clear();
    ends_.clear();
    step_ends();
  }
  std::vector<double> step_seconds() {
    finish();
    std::vector<double> seconds;
    for (size_t i = 1; i < ends_.size(); ++i) seconds.push_back(between(ends_[i - 1], ends_[i], /*clock=*/true));
    return seconds;
  }
  double part_seconds() {
    finish();
    double sum = 0;
    for (const auto& [begin, end] : parts_) sum += between(begin, end, /*clock=*/false);
    return sum;
  }
  double elapsed() const { return std::chrono::duration<double>(Clock::now() - ends_.front().clock).count(); }

 private:
  struct Mark {
    Clock::time_point clock;
    double processor = 0;
    std::optional<c10::Event> event;
  };
  Mark mark() const {
    Mark mark{Clock::now(), cpu_seconds(usage_now()), std::nullopt};
    if (!device_.is_cpu()) {
      mark.event.emplace(device_.type(), c10::EventFlag::BACKEND_DEFAULT);
      mark.event->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
    }
    return mark;
  }
  static double between(const Mark& begin, const Mark& end, bool clock) {
    if (begin.event) return 1e-3 * begin.event->elapsedTime(*end.event);
    return clock ? std::chrono::duration<double>(end.clock - begin.clock).count() : end.processor - begin.processor;
  }
  void finish() {
    if (!device_.is_cpu() && !ends_.empty()) ends_.back().event->synchronize();
  }

  torch::Device device_;
  Mark part_;
  std::vector<std::pair<Mark, Mark>> parts_;
  std::vector<Mark> ends_;
};

}  // namespace

Batch constant_batch(const ExperimentConfig& config) {
  std::vector<int64_t> shape = {config.train.batch_size, config.model.channels};
  shape.insert(shape.end(), config.model.input_size.begin(), config.model.input_size.end());
  Batch batch;
  batch.input = torch::empty(shape);
  initialize_normal(batch.input, config.seed, "bench pictures");
  batch.labels_B = torch::arange(config.train.batch_size, torch::kInt64) % class_count(config.data.dataset);
  batch.slots_B = torch::arange(config.train.batch_size, torch::kInt64);
  return batch;
}

namespace {

/// The Trainer's step on one batch, again and again; nothing waits for the device.
class StepLoop {
 public:
  StepLoop(const ExperimentConfig& config, const StepBenchOptions& options)
      : config_(config), device_(open_device(config)), model_(config.model, class_count(config.data.dataset)), clock_(device_) {
    model_->initialize(config.seed);
    model_->to(device_, parameter_dtype(config.train.precision));
    model_->set_fused(options.fused);
    if (options.reference) model_->position().set_rotation_path(RotationPath::kReference);
    parameters_ = model_->named_weights();
    optimizer_.emplace(config.optimizer, parameters_);
    batch_ = constant_batch(config);
    batch_.input = batch_.input.to(device_);
    batch_.labels_B = batch_.labels_B.to(device_);
    grid_ = model_->grid(config.model.input_size);
  }
  void step() {
    optimizer_->zero_grad();
    clock_.part_begins();
    const auto rotations = model_->position().rotations(grid_, /*with_gradient=*/true);
    clock_.part_ends();
    loss_ = micro_step(model_, config_, device_, batch_, rotations, {}, number_++, 1.0 / static_cast<double>(config_.train.batch_size));
    clock_.part_begins();
    model_->position().accumulate_gradients(rotations, grid_);
    clock_.part_ends();
    const auto norm = global_gradient_norm(parameters_);
    if (config_.clip.norm) clip_gradients(parameters_, norm, *config_.clip.norm);
    optimizer_->step(optimizer_->peak_lr());
    clock_.step_ends();
  }
  StepClock& clock() { return clock_; }
  VitImpl& model() { return *model_; }
  torch::Device device() const { return device_; }
  const TokenGrid& grid() const { return grid_; }
  double loss() const { return loss_.item<double>(); }

 private:
  const ExperimentConfig& config_;
  torch::Device device_;
  Vit model_;
  StepClock clock_;
  NamedTensors parameters_;
  std::optional<Optimizer> optimizer_;
  Batch batch_;
  TokenGrid grid_;
  torch::Tensor loss_;
  int64_t number_ = 0;
};

}  // namespace

StepBench bench_step(const ExperimentConfig& config, const StepBenchOptions& options) {
  StepLoop loop(config, options);
  reset_peak_memory(loop.device());
  for (int64_t number = 0; number < options.warmup; ++number) loop.step();
  loop.clock().restart();
  const auto before = usage_now();
  do loop.step();
  while (loop.clock().elapsed() < options.seconds);
  auto times = loop.clock().step_seconds();
  const double all = std::accumulate(times.begin(), times.end(), 0.0), steps = static_cast<double>(times.size());
  const auto after = usage_now();

  StepBench result;
  const auto batch_size = static_cast<double>(config.train.batch_size);
  std::sort(times.begin(), times.end());
  result.images_per_second = batch_size / times[times.size() / 2];
  result.mean_images_per_second = batch_size * steps / all;
  result.fastest_seconds = times.front();
  result.slowest_seconds = times.back();
  result.cpu_seconds_per_step = (cpu_seconds(after) - cpu_seconds(before)) / steps;
  result.exp_seconds_per_step = loop.clock().part_seconds() / steps;
  result.page_faults_per_step = static_cast<double>(after.ru_minflt - before.ru_minflt) / steps;
  result.peak_mib = static_cast<double>(peak_memory_of(loop.device()).value_or(0)) / (1 << 20);
  result.steps = static_cast<int64_t>(times.size());
  result.batch = config.train.batch_size;
  result.threads = torch::get_num_threads();
  result.parameters = loop.model().parameter_count();
  result.encoding = encoding_label(config.model.position);
  result.precision = name_of(config.train.precision);
  result.device = device_text(loop.device());
  result.on_gpu = !loop.device().is_cpu();
  result.grid = grid_text(loop.grid().now);
  result.fused = options.fused;
  result.reference = options.reference;
  result.loss = loop.loss();
  result.peak = peak_of(loop.device(), fma_kind(config.train.precision));
  if (result.peak.flop_per_second > 0) result.model_flop_share = model_flop_share(loop.model().flops_per_sample(loop.grid()), result.images_per_second, result.peak);
  return result;
}

std::string describe(const StepBench& r) {
  char text[640];
  const char* where = r.on_gpu ? "the GPU's time" : "processor time";
  std::snprintf(text, sizeof text,
                "%s, %s, %s blocks%s, %s, %s tokens: %.1f images/s (median of %lld steps of %lld; mean %.1f), MFU %.1f %% of %.3g TFLOP/s (%s), %.4f s of %s for rotations and their gradients, "
                "%.3f s of processor time and %.0f page faults a step, peak %.0f MiB, loss %.4f\n",
                r.encoding.c_str(), r.precision.c_str(), r.fused ? "fused" : "composed", r.reference ? " and reference rotations" : "", r.device.c_str(), r.grid.c_str(), r.images_per_second,
                static_cast<long long>(r.steps), static_cast<long long>(r.batch), r.mean_images_per_second, 100 * r.model_flop_share, r.peak.flop_per_second / 1e12, r.peak.instruction.c_str(),
                r.exp_seconds_per_step, where, r.cpu_seconds_per_step, r.page_faults_per_step, r.peak_mib, r.loss);
  return text;
}

std::string to_json(const StepBench& r) {
  const nlohmann::ordered_json json = {{"encoding", r.encoding}, {"precision", r.precision}, {"device", r.device}, {"grid", r.grid}, {"fused", r.fused}, {"reference_rotations", r.reference}, {"threads", r.threads},
                                       {"batch", r.batch}, {"steps", r.steps}, {"parameters", r.parameters}, {"images_per_second", r.images_per_second}, {"mean_images_per_second", r.mean_images_per_second},
                                       {"seconds_per_step", static_cast<double>(r.batch) / r.images_per_second}, {"fastest_seconds", r.fastest_seconds}, {"slowest_seconds", r.slowest_seconds},
                                       {"cpu_seconds_per_step", r.cpu_seconds_per_step}, {"exp_seconds_per_step", r.exp_seconds_per_step}, {"page_faults_per_step", r.page_faults_per_step},
                                       {"peak_mib", r.peak_mib}, {"model_flop_share", r.model_flop_share}, {"peak_flop_per_second", r.peak.flop_per_second}, {"loss", r.loss}};
  return json.dump() + "\n";
}

}  // namespace liere
