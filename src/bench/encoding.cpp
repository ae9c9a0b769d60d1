#include "bench/encoding.h"

#include <torch/torch.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/log.h"
#include "models/autocast.h"
#include "train/device.h"
#include "train/training_parts.h"

namespace liere {
namespace {

double peak_mib(torch::Device device) { return static_cast<double>(peak_memory_of(device).value_or(0)) / (1 << 20); }

/// Largest Frobenius-relative distance of a set's blocks (or of (cos, sin) pairs) from those of float64.
double error_of(const Rotations& single, const Rotations& exact) {
  if (single.kind == Rotations::Kind::kNone) return 0;
  const int64_t entries = single.kind == Rotations::Kind::kPairs ? 2 : single.value.size(-1) * single.value.size(-1);
  const auto a = single.value.to(at::kDouble).reshape({-1, entries}), b = exact.value.reshape({-1, entries});
  return ((a - b).norm(2, 1) / b.norm(2, 1)).max().item<double>();
}

}  // namespace

EncodingBench bench_encoding(const ExperimentConfig& config, const StepBenchOptions& options) {
  EncodingBench result;
  {
    const auto device = open_device(config);
    const at::NoGradGuard no_grad;
    Vit model(config.model, class_count(config.data.dataset));
    model->initialize(config.seed);
    model->to(device, parameter_dtype(config.train.precision));
    model->eval();
    model->set_fused(options.fused);
    if (options.reference) model->position().set_rotation_path(RotationPath::kReference);
    const auto grid = model->grid(config.model.input_size);
    const auto set = model->position().rotations(grid, /*with_gradient=*/false);
    result.kind = set.kind == Rotations::Kind::kNone    ? "none"
                  : set.kind == Rotations::Kind::kPairs ? "pairs"
                                                        : "blocks of " + std::to_string(set.value.size(-1));
    result.encoding = encoding_label(config.model.position);
    result.parameters = model->parameter_count();
    result.rotation_parameters = model->position().rotation_parameters();
    result.multiply_adds = model->flops_per_sample(grid);
    result.grid = grid_text(grid.now);

    const auto input = constant_batch(config).input.to(device, parameter_dtype(config.train.precision));
    std::vector<at::Tensor> learned;
    for (const auto& [name, weight] : model->named_weights())
      if (name == "generators") learned.push_back(weight);
    const auto times = time_in_turn({{"rotations",
                                      [&] {
                                        for (auto& weight : learned) weight.neg_();  // other generators: the last set may not be used again
                                        model->position().rotations(grid, false);
                                      }},
                                     {"forward",
                                      [&] {
                                        AutocastScope autocast(device.type(), config.train.precision == Precision::kBf16);
                                        model->forward(input, set);
                                      }}},
                                    options.seconds / 3, device);
    result.rotations = times[0];
    result.forward = times[1];
    result.forward_peak_mib = peak_mib(device);
    const auto made = model->position().rotations(grid, false);
    result.orthogonality = orthogonality_error(made);
    model->to(at::kDouble);
    result.error = error_of(made, model->position().rotations(grid, false));
  }
  StepBenchOptions rest = options;
  rest.seconds = options.seconds * 2 / 3;
  result.step = bench_step(config, rest);
  return result;
}

std::string describe(const EncodingBench& r) {
  const auto line = [](const char* format, auto... values) {
    char text[240];
    std::snprintf(text, sizeof text, format, values...);
    return std::string(text);
  };
  const double batch = static_cast<double>(r.step.batch);
  std::string text = r.encoding + "  (" + r.kind + "; grid " + r.grid + ", " + r.step.precision + ", batch " + std::to_string(r.step.batch) + ", " + r.step.device + ")\n";
  text += "  parameters       " + format_count(r.parameters) +
          (r.rotation_parameters ? ", " + format_count(r.rotation_parameters) + " of them rotate" : "") + "\n";
  text += line("  multiply-adds    %.3f G an image, forward\n", r.multiply_adds / 1e9);
  text += "  rotations        " + text_of(r.rotations) + " to make\n";
  text += line("  forward          %.1f images/s, ", batch / r.forward.median) + text_of(r.forward) +
          line(" a batch, peak %.0f MiB\n", r.forward_peak_mib);
  text += line("  training step    %.1f images/s, MFU %.1f %%, %.3f s of processor time, %.4f s of %s for rotations and their gradients, peak %.0f MiB\n", r.step.images_per_second,
               100 * r.step.model_flop_share, r.step.cpu_seconds_per_step, r.step.exp_seconds_per_step, r.step.on_gpu ? "the GPU's" : "it", r.step.peak_mib);
  if (r.kind != "none")
    text += line("  accuracy of R    %.1e from float64 (Frobenius, relative, worst), max |R^T R - I| %.1e\n", r.error, r.orthogonality);
  return text;
}

std::string to_json(const EncodingBench& r) {
  const auto timing = [](const Timing& t) {
    return nlohmann::ordered_json{{"seconds", t.median}, {"lowest", t.low}, {"highest", t.high}, {"rounds", t.rounds}};
  };
  const nlohmann::ordered_json json = {{"encoding", r.encoding},
                                       {"kind", r.kind},
                                       {"grid", r.grid},
                                       {"parameters", r.parameters},
                                       {"rotation_parameters", r.rotation_parameters},
                                       {"multiply_adds", r.multiply_adds},
                                       {"rotations", timing(r.rotations)},
                                       {"forward", timing(r.forward)},
                                       {"forward_images_per_second", static_cast<double>(r.step.batch) / r.forward.median},
                                       {"forward_peak_mib", r.forward_peak_mib},
                                       {"step", nlohmann::json::parse(to_json(r.step))},
                                       {"error", r.error},
                                       {"orthogonality_error", r.orthogonality}};
  return json.dump(1) + "\n";
}

}  // namespace liere
