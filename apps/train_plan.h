// liere-train plan: the arguments of the subcommand and what it prints.
#pragma once

#include <CLI/CLI.hpp>
#include <iostream>

#include "core/check.h"
#include "core/files.h"
#include "train/dry_run.h"
#include "train/plan.h"

namespace liere {

struct PlanArguments {
  std::string config, like, limit = "24:00:00", json_file;
  std::vector<std::string> overrides;
  double rate = 0;
  PlanOptions options;
};

inline CLI::App* add_plan(CLI::App& app, PlanArguments& a) {
  auto* plan = app.add_subcommand("plan", "memory, steps, hours, disk and the jobs of a scheduler's time limit that a training needs, without data or GPU");
  plan->footer("Examples:\n  liere-train plan --config imagenet_liere.yaml --gpus 8 --limit 8:00:00\n  liere-train plan --config cifar100_liere.yaml --like runs/cifar100_liere_8_seed0");
  plan->add_option("-c,--config", a.config, "configuration: a path, or a name looked for in . and configs/")->required();
  plan->add_option("--ranks,--gpus", a.options.processes, "processes, over all nodes")->check(CLI::Range(1, 1 << 20))->capture_default_str();
  plan->add_option("--limit", a.limit, "time limit of a job, as SLURM spells it")->type_name("TIME")->capture_default_str();
  plan->add_option("--gpu", a.options.gpu, "only GPUs whose name contains this, as in h100");
  plan->add_option("--share", a.options.share, "of the GPU's rate by data sheet that a training reaches")->check(CLI::Range(0.001, 1.0))->capture_default_str();
  plan->add_option("--rate", a.rate, "measured samples per second of one process")->check(CLI::PositiveNumber);
  plan->add_option("--like", a.like, "run folder whose rate is taken")->type_name("RUN")->excludes("--rate");
  plan->add_option("--json", a.json_file, "write the figures to this file too")->type_name("FILE");
  plan->add_option("overrides", a.overrides, "configuration keys, as in train.epochs=90")->type_name("KEY=VALUE");
  return plan;
}

/// What --dry-run prints, and writes with --json.
inline void report_cost(const ExperimentConfig& config, const std::string& json_file) {
  const auto cost = training_cost(config);
  std::cout << describe_cost(cost);
  nlohmann::json figures = cost;
  figures.update({{"identity", identity_hash(identity_lines(config))}, {"output", config.output}, {"has_holdout", cost.has_holdout}, {"exact_steps", cost.exact_steps}});
  if (!json_file.empty()) write_file_atomically(json_file, figures.dump(2) + "\n");
}

inline int run_plan(PlanArguments a) {
  a.options.limit_seconds = parse_time_limit(a.limit);
  if (!a.like.empty()) {
    const auto measured = read_rate(a.like);
    a.options.rate = measured.per_process;
    a.options.rate_source = measured.source;
  } else if (a.rate > 0) {
    a.options.rate = a.rate;
    a.options.rate_source = "--rate";
  }
  const auto config = load_experiment(a.config, a.overrides).config;
  const auto cost = training_cost(config);
  const auto rows = plan_rows(config, cost, a.options);
  std::cout << describe_cost(cost) << describe_plan(cost, a.options, rows);
  if (!a.json_file.empty()) write_file_atomically(a.json_file, plan_json(cost, a.options, rows).dump(2) + "\n");
  return 0;
}

}  // namespace liere
