#include "bench/step.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "models/initialize.h"
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

StepBench bench_step(const ExperimentConfig& config, const StepBenchOptions& options) {
  const auto device = open_device(config);
  Vit model(config.model, class_count(config.data.dataset));
  model->initialize(config.seed);
  model->to(device, parameter_dtype(config.train.precision));
  model->set_fused(options.fused);
  if (options.reference) model->position().set_rotation_path(RotationPath::kReference);
  Optimizer optimizer(config.optimizer, model->named_weights());
  const auto batch = constant_batch(config);
  const auto grid = model->grid(config.model.input_size);
  const auto parameters = model->named_weights();

  StepBench result;
  double exp_seconds = 0;
  const auto step = [&](int64_t number) {
    optimizer.zero_grad();
    double exp_start = cpu_seconds(usage_now());
    const auto rotations = model->position().rotations(grid, /*with_gradient=*/true);
    exp_seconds += cpu_seconds(usage_now()) - exp_start;
    const auto loss = micro_step(model, config, device, batch, rotations, {}, number, config.train.batch_size);
    exp_start = cpu_seconds(usage_now());
    model->position().accumulate_gradients(rotations, grid);
    exp_seconds += cpu_seconds(usage_now()) - exp_start;
    const auto norm = global_gradient_norm(parameters);
    result.loss = loss.item<double>();
    if (config.clip.norm) clip_gradients(parameters, norm, *config.clip.norm);
    optimizer.step(optimizer.peak_lr());
  };
  for (int64_t number = 0; number < options.warmup; ++number) step(number);
  exp_seconds = 0;
  const auto before = usage_now();
  const auto start = Clock::now();
  std::vector<double> times;
  for (auto last = start; std::chrono::duration<double>(last - start).count() < options.seconds || times.empty();) {
    step(options.warmup + static_cast<int64_t>(times.size()));
    const auto now = Clock::now();
    times.push_back(std::chrono::duration<double>(now - last).count());
    last = now;
  }
  const double all = std::chrono::duration<double>(Clock::now() - start).count(), steps = static_cast<double>(times.size());
  const auto after = usage_now();
  const auto batch_size = static_cast<double>(config.train.batch_size);
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  result.images_per_second = batch_size / times[times.size() / 2];
  result.mean_images_per_second = batch_size * steps / all;
  result.cpu_seconds_per_step = (cpu_seconds(after) - cpu_seconds(before)) / steps;
  result.exp_seconds_per_step = exp_seconds / steps;
  result.page_faults_per_step = static_cast<double>(after.ru_minflt - before.ru_minflt) / steps;
  result.peak_mib = static_cast<double>(after.ru_maxrss) / 1024;
  result.steps = static_cast<int64_t>(times.size());
  result.batch = config.train.batch_size;
  result.threads = torch::get_num_threads();
  result.parameters = model->parameter_count();
  result.encoding = encoding_label(config.model.position);
  result.precision = name_of(config.train.precision);
  result.fused = options.fused;
  result.reference = options.reference;
  return result;
}

std::string describe(const StepBench& r) {
  char text[400];
  std::snprintf(text, sizeof text,
                "%s, %s, %s blocks%s, %lld threads: %.1f images/s (median of %lld steps of %lld; mean %.1f), %.3f s of processor time (%.3f for rotations and their gradients) and %.0f page faults a "
                "step, peak %.0f MiB, loss %.4f\n",
                r.encoding.c_str(), r.precision.c_str(), r.fused ? "fused" : "composed", r.reference ? " and reference rotations" : "", static_cast<long long>(r.threads), r.images_per_second,
                static_cast<long long>(r.steps), static_cast<long long>(r.batch), r.mean_images_per_second, r.cpu_seconds_per_step, r.exp_seconds_per_step, r.page_faults_per_step, r.peak_mib, r.loss);
  return text;
}

std::string to_json(const StepBench& r) {
  const nlohmann::ordered_json json = {{"encoding", r.encoding}, {"precision", r.precision}, {"fused", r.fused}, {"reference_rotations", r.reference}, {"threads", r.threads}, {"batch", r.batch},
                                       {"steps", r.steps}, {"parameters", r.parameters}, {"images_per_second", r.images_per_second}, {"mean_images_per_second", r.mean_images_per_second},
                                       {"cpu_seconds_per_step", r.cpu_seconds_per_step}, {"exp_seconds_per_step", r.exp_seconds_per_step}, {"page_faults_per_step", r.page_faults_per_step},
                                       {"peak_mib", r.peak_mib}, {"loss", r.loss}};
  return json.dump() + "\n";
}

}  // namespace liere
