// What runs take, without training them: --dry-run --json of one, and the subcommand `costs` of many.
#pragma once

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "core/signals.h"
#include "train/dry_run.h"

namespace liere {

inline nlohmann::json cost_figures(const ExperimentConfig& config, const TrainingCost& cost) {
  nlohmann::json figures = cost;
  figures.update({{"identity", identity_hash(identity_lines(config))}, {"output", config.output}, {"has_holdout", cost.has_holdout}, {"exact_steps", cost.exact_steps}});
  return figures;
}

/// What --dry-run prints, and writes with --json.
inline void report_cost(const ExperimentConfig& config, const std::string& json_file) {
  const auto cost = training_cost(config);
  std::cout << describe_cost(cost);
  if (!json_file.empty()) write_file_atomically(json_file, cost_figures(config, cost).dump(2) + "\n");
}

struct CostsCommand {
  CLI::App* parser = nullptr;
  std::string list, json_file;

  explicit CostsCommand(CLI::App& app) {
    parser = app.add_subcommand("costs", "what --dry-run --json tells, of many runs at once (liere-sweep asks it)");
    parser->add_option("LIST", list, "a file with a run per line: its configuration and its overrides, separated by tabs")->required();
    parser->add_option("--json", json_file, "the file to write: a list in the order of LIST, up to the first run that is refused")->type_name("FILE")->required();
  }

  int run() const {
    std::ifstream in(list);
    if (!in) throw ConfigError("the list of runs '" + list + "' cannot be read. Check the path.");
    auto all = nlohmann::json::array();
    const auto write = [&] { write_file_atomically(json_file, all.dump(2) + "\n"); };
    for (std::string line; std::getline(in, line);) {
      if (stop_requested()) throw Error(ExitCode::kStoppedEarly, std::string(stop_signal_name()) + ": stopped, nothing was written.");
      std::vector<std::string> words;
      std::istringstream parts(line);
      for (std::string word; std::getline(parts, word, '\t');) words.push_back(word);
      try {
        if (words.empty()) throw ConfigError("an empty line: expected a configuration and its overrides, separated by tabs.");
        const auto config = load_experiment(words.front(), {words.begin() + 1, words.end()}).config;
        all.push_back(cost_figures(config, training_cost(config)));
      } catch (const Error&) {
        write();
        log_warning("line " + std::to_string(all.size() + 1) + " of " + list + " is refused");
        throw;
      }
    }
    write();
    return 0;
  }
};

}  // namespace liere
