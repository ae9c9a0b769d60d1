#include "train/eval_tests.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "data/datasets/arrows.h"
#include "data/datasets/factory.h"
#include "data/recipe_picture.h"
#include "train/signals.h"

namespace liere {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

/// Thrown through the tests when a stop signal came: nothing has been written by then.
struct Stopped {};

EvaluationOptions options_of(const TrainedModel& trained, const std::string& title) {
  const auto& config = trained.config;
  return {.batch_size = config.eval.batch_size, .limit = config.eval.limit.value_or(0), .loader = config.loader, .precision = config.train.precision,
          .device = trained.device, .shuffle_seed = std::nullopt, .title = title};
}

Classification evaluate_or_stop(TrainedModel& trained, const Dataset& dataset, const Recipe& recipe, const EvaluationOptions& options) {
  const auto result = evaluate(trained.model, dataset, recipe, options);
  if (!result) throw Stopped{};
  return *result;
}

json scores(const Classification& result) { return {{"top1", result.top1()}, {"top5", result.top5()}, {"loss", result.loss()}}; }

json result_head(const TrainedModel& trained, const std::string& test, const Dataset& dataset, int64_t samples) {
  return {{"test", test}, {"checkpoint", trained.checkpoint.file.filename().string()}, {"step", trained.info.state.step}, {"name", trained.info.name},
          {"label", encoding_label(trained.config.model.position)}, {"dataset", dataset.describe()}, {"samples", samples}, {"weights", "raw"},
          {"precision", std::string(name_of(trained.config.train.precision))}};
}

std::vector<int64_t> default_sizes(const ExperimentConfig& config) {
  const int64_t trained = config.model.input_size[0], patch = config.model.patch[0];
  std::vector<int64_t> sizes;
  for (double factor : {1.0, 1.5, 2.0, 3.0}) sizes.push_back(std::llround(factor * static_cast<double>(trained) / static_cast<double>(patch)) * patch);
  return sizes;
}

void set_positions(TrainedModel& trained, PositionRule rule) { trained.model->position().set_position_rule(rule); }

std::vector<std::optional<PositionRule>> rules_to_test(const PositionConfig& position) {
  const auto rule = position_rule(position);
  if (!rule || *rule == PositionRule::kIndex) return {rule};
  return {PositionRule::kSequential, PositionRule::kFixed};
}

/// One way of making a picture of another size.
struct Reading {
  std::string name;
  const Dataset* dataset;
};

json resolution_result(TrainedModel& trained, const Reading& reading, int64_t size, std::optional<PositionRule> rule, const Recipe& recipe) {
  if (rule) set_positions(trained, *rule);
  const std::string rule_name = rule ? std::string(name_of(*rule)) : "none";
  const auto result = evaluate_or_stop(trained, *reading.dataset, recipe, options_of(trained, std::to_string(size) + " px " + reading.name + " " + rule_name));
  const auto grid = trained.model->grid({size, size});
  auto row = scores(result);
  row.update({{"size", {size, size}}, {"grid", grid.now}, {"positions", rule_name}, {"as_trained", !rule || *rule == *position_rule(trained.config.model.position)},
              {"reading", reading.name}, {"samples", result.count}});
  return row;
}

}  // namespace

TrainedModel load_trained(const std::string& checkpoint, const std::vector<std::string>& overrides) {
  TrainedModel trained{choose_checkpoint(checkpoint), {}, {}, nullptr, torch::kCPU};
  trained.info = read_checkpoint_info(trained.checkpoint.file);
  auto node = parse_config(trained.info.config, trained.checkpoint.file.string());
  apply_overrides(node, overrides);
  decode(node, trained.config);
  resolve(trained.config);
  if (const auto lines = compare_identity(identity_lines(trained.config), trained.info.identity_lines); !lines.empty()) {
    std::string message = "these keys are part of what was trained and cannot be changed in an evaluation:";
    for (const auto& line : lines) message += "\n  " + line;
    throw ConfigError(message + "\nLeave them out; data.root, eval.*, loader.*, device and threads may be set.");
  }
  trained.device = open_device(trained.config);
  trained.model = Vit(trained.config.model, static_cast<int64_t>(trained.info.class_names.size()));
  trained.model->to(torch::kCPU, parameter_dtype(trained.config.train.precision));
  load_checkpoint(trained.checkpoint.file, trained.model->named_weights(), /*weights_only=*/true);
  trained.model->to(trained.device);
  return trained;
}

json accuracy_test(TrainedModel& trained) {
  const auto dataset = make_dataset(trained.config.data.dataset, Split::kTest);
  const auto& size = trained.config.model.input_size;
  const auto recipe = make_eval_recipe(trained.config.augment, size[0], size[1]);
  const auto result = evaluate_or_stop(trained, *dataset, *recipe, options_of(trained, "accuracy"));
  auto object = result_head(trained, "accuracy", *dataset, result.count);
  object.update(scores(result));
  return object;
}

json shuffle_test(TrainedModel& trained) {
  const auto dataset = make_dataset(trained.config.data.dataset, Split::kTest);
  const auto& size = trained.config.model.input_size;
  const auto recipe = make_eval_recipe(trained.config.augment, size[0], size[1]);
  const auto before = evaluate_or_stop(trained, *dataset, *recipe, options_of(trained, "before shuffling"));
  Classification sum;
  json seeds = json::array();
  for (int64_t seed = 0; seed < trained.config.eval.shuffle_seeds; ++seed) {
    auto options = options_of(trained, "shuffled, seed " + std::to_string(seed));
    options.shuffle_seed = static_cast<uint64_t>(seed);
    const auto result = evaluate_or_stop(trained, *dataset, *recipe, options);
    auto row = scores(result);
    row["seed"] = seed;
    seeds.push_back(row);
    sum = {sum.count + result.count, sum.correct1 + result.correct1, sum.correct5 + result.correct5, sum.loss_sum + result.loss_sum};
  }
  auto object = result_head(trained, "shuffle", *dataset, before.count);
  object.update({{"before", scores(before)}, {"after", scores(sum)}, {"seeds", seeds},
                 {"relative_drop", before.top1() > 0 ? 100.0 * (before.top1() - sum.top1()) / before.top1() : 0.0}});
  return object;
}

json resolution_test(TrainedModel& trained) {
  const auto& config = trained.config;
  const auto test_set = make_dataset(config.data.dataset, Split::kTest);
  const auto* arrows = std::get_if<ArrowsConfig>(&config.data.dataset);
  const int64_t trained_size = config.model.input_size[0];
  json results = json::array();
  for (const int64_t size : config.eval.sizes.empty() ? default_sizes(config) : config.eval.sizes) {
    const auto recipe = make_eval_recipe(config.augment, size, size);
    std::unique_ptr<Dataset> larger_grid;
    std::vector<Reading> readings;
    if (arrows && size != trained_size && size % arrows->cell == 0) {
      larger_grid = make_arrows(*arrows, Split::kTest, size / arrows->cell);
      readings.push_back({"grid", larger_grid.get()});
    }
    readings.push_back({size == trained_size ? "trained" : arrows ? "scaled" : "resize", test_set.get()});
    for (const auto& reading : readings)
      for (const auto& rule : rules_to_test(config.model.position)) {
        // At the training size both rules give the same positions.
        if (size == trained_size && rule && *rule == PositionRule::kFixed) continue;
        results.push_back(resolution_result(trained, reading, size, rule, *recipe));
      }
  }
  if (const auto rule = position_rule(config.model.position)) set_positions(trained, *rule);
  auto object = result_head(trained, "resolution", *test_set, results.empty() ? 0 : results[0]["samples"].get<int64_t>());
  object["results"] = results;
  return object;
}

json run_eval_test(TrainedModel& trained, const std::string& test, const std::string& output) {
  json (*function)(TrainedModel&) = test == "accuracy" ? accuracy_test : test == "shuffle" ? shuffle_test : test == "resolution" ? resolution_test : nullptr;
  if (!function) throw ConfigError("--test " + test + ": expected accuracy, shuffle or resolution.");
  json result;
  try {
    result = function(trained);
  } catch (const Stopped&) {
    throw Error(ExitCode::kStoppedEarly, std::string(stop_signal_name()) + ": the " + test + " test was stopped; nothing was written.");
  }
  const fs::path folder = output.empty() ? trained.checkpoint.run / "eval" / test : fs::path(output);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error(ExitCode::kFailure, "cannot create " + folder.string() + ": " + error.message());
  write_file_atomically(folder / "eval.json", result.dump(2) + "\n");
  log_info("wrote " + (folder / "eval.json").string());
  return result;
}

std::string describe_result(const json& result) {
  char line[256];
  const auto number = [](const json& object, const char* key) { return object.at(key).get<double>(); };
  std::string text = result.at("label").get<std::string>() + ", " + result.at("test").get<std::string>() + ", " + format_count(result.at("samples").get<int64_t>()) + " images\n";
  if (result.at("test") == "accuracy") {
    std::snprintf(line, sizeof line, "  top-1 %.2f %%   top-5 %.2f %%   loss %.4f\n", number(result, "top1"), number(result, "top5"), number(result, "loss"));
    text += line;
  } else if (result.at("test") == "shuffle") {
    std::snprintf(line, sizeof line, "  top-1 before %.2f %%   after %.2f %%   relative drop %.1f %%\n", number(result.at("before"), "top1"), number(result.at("after"), "top1"),
                  number(result, "relative_drop"));
    text += line;
  } else {
    text += "    size   tokens  positions   reading    top-1 %   top-5 %     loss\n";
    for (const auto& row : result.at("results")) {
      const auto grid = row.at("grid").get<std::vector<int64_t>>();
      std::snprintf(line, sizeof line, "  %6lld  %3lldx%-3lld  %-10s  %-8s %9.2f %9.2f %8.4f\n", static_cast<long long>(row.at("size")[0].get<int64_t>()), static_cast<long long>(grid[0]),
                    static_cast<long long>(grid[1]), row.at("positions").get<std::string>().c_str(), row.at("reading").get<std::string>().c_str(), number(row, "top1"), number(row, "top5"),
                    number(row, "loss"));
      text += line;
    }
  }
  return text;
}

}  // namespace liere
