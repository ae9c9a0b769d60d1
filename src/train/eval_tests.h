// The tests of liere-eval: accuracy, shuffle, resolution. Each returns the JSON object that eval.json holds.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/evaluator.h"
#include "train/run_folder.h"

namespace liere {

/// A trained model ready to be evaluated.
struct TrainedModel {
  CheckpointChoice checkpoint;
  CheckpointInfo info;
  ExperimentConfig config;
  Vit model{nullptr};
  torch::Device device = torch::kCPU;
};

/// Loads the weights; `overrides` may change only keys outside the run's identity (data.root, eval.*, loader.*, device, threads).
/// Throws CheckpointError, ConfigError.
TrainedModel load_trained(const std::string& checkpoint, const std::vector<std::string>& overrides);

/// Top-1, top-5 and loss.
nlohmann::json accuracy_test(TrainedModel& trained);

/// Every image's patches permuted by (seed, sample) before positions are added (paper table B): before, after (mean over eval.shuffle_seeds), relative drop in percent.
nlohmann::json shuffle_test(TrainedModel& trained);

/// Accuracy over input sizes (paper figure "resolution", table C). For every size both position rules; for generated data both readings of "larger":
/// "grid" (the same objects on a larger grid of cells of unchanged size) and "scaled" (the picture scaled up); other data is resized ("resize").
nlohmann::json resolution_test(TrainedModel& trained);

/// Runs the test by name and writes RUN/eval/TEST/eval.json (or OUTPUT/eval.json). Returns the object. Throws ConfigError for an unknown name.
nlohmann::json run_eval_test(TrainedModel& trained, const std::string& test, const std::string& output);

/// A few lines for the terminal.
std::string describe_result(const nlohmann::json& result);

}  // namespace liere
