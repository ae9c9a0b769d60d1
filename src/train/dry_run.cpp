#include "train/dry_run.h"

#include "core/check.h"
#include "core/log.h"
#include "data/datasets/factory.h"
#include "data/sampler.h"
#include "models/vit.h"
#include "train/memory.h"

namespace liere {
namespace {

/// Training samples: of the data set where it can be opened, else the official size, with a warning.
int64_t training_samples(const ExperimentConfig& config) {
  int64_t size = nominal_train_size(config.data.dataset);
  try {
    size = make_dataset(config.data.dataset, Split::kTrain)->size();
  } catch (const Error& error) {  // absent data, or a build that cannot read them
    log_warning(std::string(error.what()) + " Assuming " + format_count(size) + " training " + sample_unit(config) + ".");
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

}  // namespace

std::string dry_run_report(const ExperimentConfig& config) {
  Vit model(config.model, class_count(config.data.dataset), torch::kMeta);
  const auto grid = model->grid(config.model.input_size);
  const int64_t samples = training_samples(config), batch = config.train.batch_size;
  const int64_t steps_per_epoch = config.data.drop_last ? samples / batch : (samples + batch - 1) / batch;
  const int64_t all = steps_per_epoch * config.train.epochs, steps = config.train.steps ? std::min(*config.train.steps, all) : all;
  const double flops = model->flops_per_sample(grid);
  const std::string unit = sample_unit(config), one = unit.substr(0, unit.size() - 1);
  const auto memory = estimate_memory(config, *model);
  const int64_t micro = config.train.micro_batch->automatic ? batch : int64_t(*config.train.micro_batch);
  // A training step costs three forward passes (one forward, two for the gradients of inputs and weights) of two FLOPs per multiply-add.
  return line("encoding", encoding_label(config.model.position)) + line("parameters", format_count(model->parameter_count())) +
         line("encoding's parameters", format_count(model->position().rotation_parameters())) + line("tokens per " + one, format_count(grid.tokens()) + " + CLS") +
         line("FLOPs per " + one, scaled(flops) + " multiply-adds forward") + line("training " + unit, format_count(samples)) +
         line("steps", format_count(steps) + " (" + format_count(steps_per_epoch) + " per epoch, " + format_count(config.train.epochs) + " epochs)") +
         line(unit + " per step", format_count(batch) + " in micro-batches of " + (config.train.micro_batch->automatic ? "auto" : format_count(micro))) +
         line("training FLOPs", scaled(6.0 * flops * static_cast<double>(steps) * static_cast<double>(batch)) + "FLOP (two per multiply-add; forward and backward)") +
         line("memory", "about " + format_bytes(memory.total(micro)) + " (weights, gradients, Adam" + (config.ema.decay ? ", average" : "") + " " + format_bytes(memory.state) + ", rotations " +
                      format_bytes(memory.rotations) + ", each " + one + " of a micro-batch " + format_bytes(memory.per_sample) + ")");
}

std::string describe_step(const StepReport& report) {
  char text[160];
  std::snprintf(text, sizeof text, "  one step                loss %.4f, gradient norm %.4f, %.1f samples/s%s\n", report.loss, report.gradient_norm, report.samples_per_second,
                report.skipped ? " (non-finite: would be skipped)" : "");
  return text;
}

}  // namespace liere
