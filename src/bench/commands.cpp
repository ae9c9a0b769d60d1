#include "bench/commands.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <regex>
#include <sstream>

#include "bench/apply.h"
#include "bench/doctor.h"
#include "bench/encoding.h"
#include "bench/recipe.h"
#include "bench/rotations.h"
#include "bench/step.h"
#include "core/check.h"
#include "core/files.h"
#include "train/experiment.h"

namespace liere {
namespace {

template <class Result>
void report(const Result& result, const std::string& json_file) {
  std::cout << describe(result);
  if (!json_file.empty()) write_file_atomically(json_file, to_json(result));
}

void draw(const std::vector<PlotScript>& pictures, const std::string& folder) {
  std::filesystem::create_directories(folder);
  for (const auto& picture : pictures)
    if (draw_with_gnuplot(picture, folder) == Drawn::kYes)
      std::cout << "drawn: " << (std::filesystem::path(folder) / (picture.name + ".png")).string() << "\n";
    else
      std::cout << "gnuplot is not installed: " << (std::filesystem::path(folder) / (picture.name + ".gp")).string() << " is ready for it\n";
}

void add_json(CLI::App* command, std::string& file) { command->add_option("--json", file, "write the figures to this file too"); }
void add_device(CLI::App* command, std::string& device) { command->add_option("--device", device, "cpu or cuda")->check(CLI::IsMember({"cpu", "cuda"}))->capture_default_str(); }
void add_seconds(CLI::App* command, double& seconds, const std::string& what) {
  command->add_option("-s,--seconds", seconds, what)->check(CLI::PositiveNumber)->capture_default_str();
}

/// "8x8" or "4x14x14": one to three positive sizes.
std::vector<int64_t> parse_grid(const std::string& text) {
  std::vector<int64_t> sizes;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, 'x');) {
    const bool digits = !part.empty() && part.size() < 6 && part.find_first_not_of("0123456789") == std::string::npos;
    sizes.push_back(digits ? std::stoll(part) : 0);
  }
  if (sizes.empty() || sizes.size() > 3 || *std::min_element(sizes.begin(), sizes.end()) < 1 || text.back() == 'x')
    throw ConfigError("--grid " + text + ": expected one to three sizes joined by x, such as 8x8 or 4x14x14.");
  return sizes;
}

/// A configuration with overrides, and how its steps are timed.
struct StepOptions {
  std::string config, json_file, name;
  std::vector<std::string> overrides;
  StepBenchOptions step;
  bool composed = false;

  void add_to(CLI::App* command) {
    command->add_option("-c,--config", config, "configuration: a path, or a name looked for in . and configs/")
        ->capture_default_str()
        ->required(config.empty());
    add_seconds(command, step.seconds, "how long to measure");
    command->add_option("-w,--warmup", step.warmup, "steps before the measurement")->check(CLI::NonNegativeNumber)->capture_default_str();
    command->add_flag("--composed", composed, "blocks composed of single operations instead of fused ones");
    command->add_flag("--reference", step.reference, "rotations by compositions of ATen operations instead of kernels");
    add_json(command, json_file);
    command->add_option("overrides", overrides, "configuration keys, as in train.batch_size=64")->type_name("KEY=VALUE");
  }
  ExperimentConfig load() {
    step.fused = !composed;
    return load_experiment(config, overrides).config;
  }
};

/// "liere_8" -> model.position.kind=liere, model.position.block_size=8.
std::vector<std::string> position_overrides(const std::string& name) {
  static const std::regex with_block("(.+)_([0-9]+)");
  std::smatch parts;
  if (!std::regex_match(name, parts, with_block)) return {"model.position.kind=" + name};
  return {"model.position.kind=" + parts.str(1), "model.position.block_size=" + parts.str(2)};
}

}  // namespace

BenchCommands::BenchCommands(CLI::App& app) {
  const auto add = [&](const char* name, const char* sentence, auto setup) {
    commands_.push_back({app.add_subcommand(name, sentence), {}}), commands_.back().body = setup(commands_.back().parser);
  };

  add("rotations", "the matrix exponential and its gradient beside torch.matrix_exp: time per matrix and accuracy", [](CLI::App* command) {
    const auto config = std::make_shared<RotationsBenchConfig>();
    const auto grids = std::make_shared<std::vector<std::string>>(std::vector<std::string>{"8x8"});
    const auto file = std::make_shared<std::string>();
    command->add_option("-b,--block", config->blocks, "block sizes")->delimiter(',')->capture_default_str();
    command->add_option("-g,--grid", *grids, "grids of tokens, such as 8x8,4x14x14")->delimiter(',')->capture_default_str();
    command->add_option("--heads", config->heads, "heads of the layer")->check(CLI::PositiveNumber)->capture_default_str();
    command->add_option("--head-dim", config->head_dim, "channels of a head")->check(CLI::PositiveNumber)->capture_default_str();
    command->add_option("--init-scale", config->init_scale, "generators are drawn from U[0, this)")->capture_default_str();
    command->add_option("-t,--threads", config->threads, "threads of the processor")->check(CLI::Range(1, 1024))->capture_default_str();
    add_device(command, config->device);
    command->add_flag("!--no-torch", config->torch, "leave torch.matrix_exp out, by far the slowest");
    add_seconds(command, config->seconds, "how long to measure, per block size and grid");
    const auto folder = std::make_shared<std::string>();
    add_json(command, *file);
    command->add_option("--plot", *folder, "draw time over block size into this folder, a picture per grid (gnuplot)");
    return [=] {
      config->grids.clear();
      for (const auto& grid : *grids) config->grids.push_back(parse_grid(grid));
      const auto result = bench_rotations(*config);
      report(result, *file);
      if (!folder->empty()) draw(pictures_of(result), *folder);
    };
  });
  add("apply", "turning queries and keys beside batched matrix products and the released code's form", [](CLI::App* command) {
    const auto config = std::make_shared<ApplyBenchConfig>();
    const auto file = std::make_shared<std::string>();
    command->add_option("-b,--block", config->blocks, "block sizes; 0: pairs (cos, sin)")->delimiter(',')->capture_default_str();
    command->add_option("-n,--tokens", config->tokens, "sequence lengths, CLS included")
        ->delimiter(',')
        ->check(CLI::Range(2, 100000))
        ->capture_default_str();
    command->add_option("-d,--dtype", config->dtypes, "fp32, bf16")->delimiter(',')->check(CLI::IsMember({"fp32", "bf16"}))->capture_default_str();
    command->add_option("--batch", config->batch, "samples")->check(CLI::PositiveNumber)->capture_default_str();
    command->add_option("--heads", config->heads, "heads of the layer")->check(CLI::PositiveNumber)->capture_default_str();
    command->add_option("--head-dim", config->head_dim, "channels of a head")->check(CLI::PositiveNumber)->capture_default_str();
    command->add_option("-t,--threads", config->threads, "threads of the processor")->check(CLI::Range(1, 1024))->capture_default_str();
    add_device(command, config->device);
    command->add_flag("!--no-released", config->released, "leave the released code's form out, by far the slowest");
    add_seconds(command, config->seconds, "how long to measure, per row");
    add_json(command, *file);
    return [=] { report(bench_apply(*config), *file); };
  });
  add("step", "the rate of training steps on constant pictures: forward, backward, optimiser", [](CLI::App* command) {
    const auto options = std::make_shared<StepOptions>();
    options->add_to(command);
    return [=] {
      const auto config = options->load();
      report(bench_step(config, options->step), options->json_file);
    };
  });
  add("encoding", "one card of a position encoding: parameters, operations, time and memory of forward and training step, accuracy of R",
      [](CLI::App* command) {
        const auto options = std::make_shared<StepOptions>();
        options->config = "cifar100_liere.yaml";
        command->add_option("name", options->name, "none, absolute, rope, visionllama, rope_mixed, liere_8, liere_64, ...")->required();
        options->add_to(command);
        return [=] {
          for (const auto& key : position_overrides(options->name)) options->overrides.push_back(key);
          const auto config = options->load();
          report(bench_encoding(config, options->step), options->json_file);
        };
      });
  add("recipe", "the rate of a configuration's augmentation on one core, on pictures or clips made of noise", [](CLI::App* command) {
    const auto options = std::make_shared<StepOptions>();
    command->add_option("-c,--config", options->config, "configuration: a path, or a name looked for in . and configs/")->required();
    add_seconds(command, options->step.seconds, "how long to measure");
    add_json(command, options->json_file);
    command->add_option("overrides", options->overrides, "configuration keys, as in augment.rand_augment.magnitude=9")->type_name("KEY=VALUE");
    return [=] {
      const auto config = options->load();
      report(bench_recipe(config.augment, config.model.input_size, options->step.seconds), options->json_file);
    };
  });
  add("doctor", "what training needs of this machine, a verdict a line: GPU, driver, LibTorch, processor, memory, output folder, environment", [this](CLI::App* command) {
    const auto options = std::make_shared<DoctorOptions>();
    const auto file = std::make_shared<std::string>();
    command->add_option("-o,--output", options->output, "folder that runs will be written to")->capture_default_str();
    add_json(command, *file);
    return [=, this] {
      const auto result = examine(*options);
      report(result, *file);
      exit_code_ = result.exit_code();
    };
  });
}

ExitCode BenchCommands::run() {
  for (const auto& command : commands_)
    if (command.parser->parsed()) command.body();
  return exit_code_;
}

}  // namespace liere
