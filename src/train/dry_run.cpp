#include "train/dry_run.h"

#include "core/log.h"
#include "core/si_prefix.h"

namespace liere {
namespace {

std::string line(const std::string& name, const std::string& value) { return "  " + name + std::string(name.size() < 24 ? 24 - name.size() : 1, ' ') + value + "\n"; }

}  // namespace

std::string describe_cost(const TrainingCost& c) {
  const std::string one = c.unit.substr(0, c.unit.size() - 1);
  const auto& memory = c.memory;
  return line("encoding", c.encoding) + line("parameters", format_count(c.parameters)) + line("encoding's parameters", format_count(c.rotation_parameters)) +
         line("tokens per " + one, format_count(c.tokens) + " + CLS") + line("FLOPs per " + one, with_si_prefix(c.multiply_adds) + " multiply-adds forward") +
         line("training " + c.unit, format_count(c.samples)) +
         line("steps", format_count(c.steps) + " (" + format_count(c.steps_per_epoch) + " per epoch, " + format_count(c.epochs) + " epochs)") +
         line(c.unit + " per step", format_count(c.batch_size) + " in micro-batches of " + (c.micro_batch ? format_count(*c.micro_batch) : "auto")) +
         line("training FLOPs", with_si_prefix(c.training_flop) + "FLOP (two per multiply-add; forward and backward)") +
         line("memory", "about " + format_bytes(memory.total(c.micro_batch.value_or(c.batch_size))) + " (weights, gradients, Adam" + (c.averages ? ", average" : "") + " " + format_bytes(memory.state) + ", rotations " +
                      format_bytes(memory.rotations) + ", each " + one + " of a micro-batch " + format_bytes(memory.per_sample) + ")");
}

std::string dry_run_report(const ExperimentConfig& config) { return describe_cost(training_cost(config)); }

std::string describe_step(const StepReport& report) {
  char text[160];
  std::snprintf(text, sizeof text, "  one step                loss %.4f, gradient norm %.4f, %.1f samples/s%s\n", report.loss, report.gradient_norm, report.samples_per_second,
                report.skipped ? " (non-finite: would be skipped)" : "");
  return text;
}

}  // namespace liere
