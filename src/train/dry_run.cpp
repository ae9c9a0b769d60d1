#include "train/dry_run.h"

#include "core/check.h"
#include "core/log.h"
#include "data/datasets/factory.h"
#include "data/sampler.h"
#include "models/vit.h"

namespace liere {
namespace {

/// Training samples: of the data set where it can be opened, else the official size, with a warning.
int64_t training_samples(const ExperimentConfig& config) {
  int64_t size = nominal_train_size(config.data.dataset);
  try {
    size = make_dataset(config.data.dataset, Split::kTrain)->size();
  } catch (const DataError& error) {
    log_warning(std::string(error.what()) + " Assuming " + format_count(size) + " training images.");
  }
  return static_cast<int64_t>(ablation_subset(size, config.data.fraction).size());
}

std::string line(const std::string& name, const std::string& value) { return "  " + name + std::string(name.size() < 24 ? 24 - name.size() : 1, ' ') + value + "\n"; }

/// Four digits with a prefix: "5.684 G", "342.2 P".
std::string scaled(double value) {
  const char* const prefixes = " kMGTPE";
  int i = 0;
  for (; value >= 1000 && prefixes[i + 1]; ++i) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, "%.4g %c", value, prefixes[i]);
  return text;
}

/// Bytes of the rotations of one step and of their gradient: fp32, [layers|1, N, heads|1, ...].
double rotation_bytes(const VitConfig& model, int64_t tokens) {
  const double per_head = std::visit(
      [&](const auto& c) -> double {
        using Kind = std::decay_t<decltype(c)>;
        if constexpr (std::is_same_v<Kind, LiereConfig>) return c.block_size == 2 ? 1.5 * static_cast<double>(model.head_dim()) : 2.0 * static_cast<double>(model.head_dim() * c.block_size);
        else if constexpr (std::is_same_v<Kind, RopeMixedConfig>) return 1.5 * static_cast<double>(model.head_dim());
        else return 0;
      },
      model.position);
  return 4.0 * per_head * static_cast<double>(tokens * *model.depth * *model.heads);
}

/// Activations kept for the backward pass of one micro-batch, counted from the block: qkv, q, k, v, attention output, two norms, MLP in and out, residuals.
double activation_bytes(const VitConfig& model, int64_t tokens, const TrainConfig& train) {
  const double element = train.precision == Precision::kBf16 ? 2 : train.precision == Precision::kFp32 ? 4 : 8;
  const double per_token = static_cast<double>(*model.depth) * (14.0 * static_cast<double>(*model.width) + 3.0 * static_cast<double>(*model.mlp));
  return element * per_token * static_cast<double>((tokens + 1) * *train.micro_batch);
}

}  // namespace

std::string dry_run_report(const ExperimentConfig& config) {
  Vit model(config.model, class_count(config.data.dataset), torch::kMeta);
  const auto grid = model->grid(config.model.input_size);
  const int64_t samples = training_samples(config), batch = config.train.batch_size;
  const int64_t steps_per_epoch = config.data.drop_last ? samples / batch : (samples + batch - 1) / batch;
  const int64_t all = steps_per_epoch * config.train.epochs, steps = config.train.steps ? std::min(*config.train.steps, all) : all;
  const double flops = model->flops_per_sample(grid);
  const double state = static_cast<double>(model->parameter_count()) * (config.train.precision == Precision::kFp64 ? 32 : 16);
  const double memory = state + rotation_bytes(config.model, grid.tokens()) + activation_bytes(config.model, grid.tokens(), config.train);
  // A training step costs three forward passes (one forward, two for the gradients of inputs and weights) of two FLOPs per multiply-add.
  return line("encoding", encoding_label(config.model.position)) + line("parameters", format_count(model->parameter_count())) +
         line("encoding's parameters", format_count(model->position().rotation_parameters())) + line("tokens per image", format_count(grid.tokens()) + " + CLS") +
         line("FLOPs per image", scaled(flops) + " multiply-adds forward") + line("training images", format_count(samples)) +
         line("steps", format_count(steps) + " (" + format_count(steps_per_epoch) + " per epoch, " + format_count(config.train.epochs) + " epochs)") +
         line("images per step", format_count(batch) + " in micro-batches of " + format_count(*config.train.micro_batch)) +
         line("training FLOPs", scaled(6.0 * flops * static_cast<double>(steps) * static_cast<double>(batch)) + "FLOP (two per multiply-add; forward and backward)") +
         line("memory", "about " + format_bytes(memory) + " (weights, gradients and Adam " + format_bytes(state) + ")");
}

std::string describe_step(const StepReport& report) {
  char text[160];
  std::snprintf(text, sizeof text, "  one step                loss %.4f, gradient norm %.4f, %.1f images/s%s\n", report.loss, report.gradient_norm, report.samples_per_second,
                report.skipped ? " (non-finite: would be skipped)" : "");
  return text;
}

}  // namespace liere
