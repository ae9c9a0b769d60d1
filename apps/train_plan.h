// liere-train plan: what a training needs of a machine and its scheduler.
#pragma once

#include <CLI/CLI.hpp>
#include <iostream>

#include "core/check.h"
#include "core/files.h"
#include "train/dry_run.h"
#include "train/plan.h"

namespace liere {

struct PlanCommand {
  CLI::App* parser = nullptr;
  std::string config, like, limit = "24:00:00", json_file;
  std::vector<std::string> overrides;
  double rate = 0;
  PlanOptions options;

  explicit PlanCommand(CLI::App& app) {
    parser = app.add_subcommand("plan", "memory, steps, hours, disk and the jobs of a scheduler's time limit that a training needs, without data or GPU");
    parser->footer("Examples:\n  liere-train plan --config imagenet_liere.yaml --gpus 8 --limit 8:00:00\n  liere-train plan --config cifar100_liere.yaml --like runs/cifar100_liere_8_seed0");
    parser->add_option("-c,--config", config, "configuration: a path, or a name looked for in . and configs/")->required();
    parser->add_option("--ranks,--gpus", options.processes, "processes, over all nodes")->check(CLI::Range(1, 1 << 20))->capture_default_str();
    parser->add_option("--limit", limit, "time limit of a job, as SLURM spells it")->type_name("TIME")->capture_default_str();
    parser->add_option("--gpu", options.gpu, "only GPUs whose name contains this, as in h100");
    parser->add_option("--share", options.share, "of the GPU's rate by data sheet that a training reaches")->check(CLI::Range(0.001, 1.0))->capture_default_str();
    parser->add_option("--rate", rate, "measured samples per second of one process")->check(CLI::PositiveNumber);
    parser->add_option("--like", like, "run folder whose rate is taken")->type_name("RUN")->excludes("--rate");
    parser->add_option("--json", json_file, "write the figures to this file too")->type_name("FILE");
    parser->add_option("overrides", overrides, "configuration keys, as in train.epochs=90")->type_name("KEY=VALUE");
  }

  int run() {
    options.limit_seconds = parse_time_limit(limit);
    if (!like.empty()) {
      const auto measured = read_rate(like);
      options.rate = measured.per_process;
      options.rate_source = measured.source;
    } else if (rate > 0) {
      options.rate = rate;
      options.rate_source = "--rate";
    }
    const auto experiment = load_experiment(config, overrides).config;
    const auto cost = training_cost(experiment);
    const auto rows = plan_rows(experiment, cost, options);
    std::cout << describe_cost(cost) << describe_plan(cost, options, rows);
    if (!json_file.empty()) write_file_atomically(json_file, plan_json(cost, options, rows).dump(2) + "\n");
    return 0;
  }
};

}  // namespace liere
