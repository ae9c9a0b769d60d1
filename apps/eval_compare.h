// liere-eval compare: two models on the same test samples.
#pragma once

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "core/files.h"
#include "train/eval/compare.h"

namespace liere {

struct CompareCommand {
  CLI::App* parser = nullptr;
  std::string first, second, json_file;
  int64_t resamples = 10000;

  explicit CompareCommand(CLI::App& app) {
    parser = app.add_subcommand("compare", "the difference of two accuracies with interval and p-value, paired on samples");
    parser->add_option("A", first, "run or evaluation folder; several seeds separated by commas")->required();
    parser->add_option("B", second, "the same for the other side; differences are B - A")->required();
    parser->add_option("--resamples", resamples, "bootstrap resamples")->check(CLI::Range(10, 1000000))->capture_default_str();
    parser->add_option("--json", json_file, "write the comparison to this file too");
  }

  int run() const {
    const auto comparison = compare_paths(first, second, resamples);
    std::cout << describe_comparison(comparison);
    if (!json_file.empty()) write_file_atomically(json_file, comparison.dump(2) + "\n");
    return 0;
  }
};

}  // namespace liere
