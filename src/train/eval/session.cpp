#include "train/eval/session.h"

#include <cmath>

#include "core/log.h"
#include "data/class_names.h"
#include "data/datasets/factory.h"
#include "data/holdout.h"
#include "data/recipes.h"
#include "data/stage.h"
#include "train/eval/store.h"
#include "train/eval/text.h"

namespace liere {
namespace {

using nlohmann::json;

/// "path=value" of every leaf under `node`.
void add_lines(const ConfigNode& node, const std::string& path, json& lines) {
  if (node.type == ConfigNode::Type::kMap) {
    for (const auto& [key, value] : node.entries) add_lines(value, path.empty() ? key : path + "." + key, lines);
    return;
  }
  std::string text = node.scalar;
  for (const auto& item : node.items) text += (text.empty() ? "" : ",") + item.scalar;
  lines.push_back(path + "=" + text);
}

}  // namespace

TrainedModel& EvalSession::trained() {
  load_weights(trained_);
  return trained_;
}

const Dataset& EvalSession::test_set() {
  if (!test_set_) {
    auto found = make_dataset(staged_dataset(trained_.config.data), Split::kTest);
    require_same_classes(trained_.info.class_names, trained_.checkpoint.file.string(), *found);
    test_set_ = std::move(found);
  }
  return *test_set_;
}

const Dataset* EvalSession::validation_set() {
  const auto& data = trained_.config.data;
  if (!validation_set_ && has_validation(data.dataset)) {
    auto found = make_dataset(staged_dataset(data), Split::kValidation);
    require_same_classes(trained_.info.class_names, trained_.checkpoint.file.string(), *found);
    validation_set_ = std::move(found);
  }
  if (!validation_set_ && data.holdout > 0) {
    train_set_ = make_dataset(staged_dataset(data), Split::kTrain);
    require_same_classes(trained_.info.class_names, trained_.checkpoint.file.string(), *train_set_);
    validation_set_ = make_subset(*train_set_, holdout_indices(*train_set_, data.holdout));
  }
  return validation_set_.get();
}

std::unique_ptr<Recipe> EvalSession::recipe() const {
  return make_eval_recipe(trained_.config.data.dataset, trained_.config.augment, trained_.config.model.input_size);
}

EvaluationOptions EvalSession::options(const std::string& title) const {
  const auto& config = trained_.config;
  return {.batch_size = config.eval.batch_size, .limit = config.eval.limit.value_or(0), .loader = config.loader, .precision = config.train.precision,
          .device = trained_.device, .shuffle_seed = std::nullopt, .title = title};
}

EvaluatedRows EvalSession::evaluate_rows(const Dataset& dataset, const Recipe& recipe, EvaluationOptions options) {
  EvaluatedRows evaluated;
  options.rows = &evaluated.rows;
  if (recipe.views() > 1) options.sample_rows = &evaluated.sample_rows;
  if (!evaluate(trained().model, dataset, recipe, options)) throw Stopped{};
  return evaluated;
}

ClassScores EvalSession::evaluate_scores(const Dataset& dataset, const std::string& title) {
  ClassScores scores;
  auto evaluation = options(title);
  evaluation.scores = &scores;
  if (!evaluate(trained().model, dataset, *recipe(), evaluation)) throw Stopped{};
  return scores;
}

const Predictions& EvalSession::predictions(bool sample_names) {
  if (!predictions_) {
    const bool several = test_set().multi_label();
    ClassScores scores;
    auto evaluation = options(labels_ ? "accuracy" : "predict");
    evaluation.labels = labels_;
    if (several || trained_.info.class_names.size() == 2) evaluation.scores = &scores;
    const auto plain = recipe();
    auto [rows, sample_rows] = evaluate_rows(test_set(), *plain, evaluation);
    predictions_ = Predictions{std::move(rows), trained_.info.class_names, {}, trained_.config.eval.resamples, std::move(sample_rows), several, std::move(scores)};
  }
  if (sample_names && predictions_->sample_names.empty())
    for (const Row& row : predictions_->of_samples()) predictions_->sample_names.push_back(test_set().open(row.sample)->info().name);
  return *predictions_;
}

json EvalSession::head(const EvalTest& test) {
  const auto& t = trained_;
  auto lines = t.info.identity_lines;
  std::erase_if(lines, [](const std::string& line) { return line.starts_with("seed="); });
  json object = {{"test", std::string(test.name)}, {"checkpoint", t.checkpoint.file.filename().string()}, {"step", t.info.state.step}, {"name", t.info.name}, {"seed", t.config.seed},
                 {"identity_without_seed", identity_hash(lines)}, {"label", encoding_label(t.config.model.position)}, {"weights", std::string(name_of(t.config.eval.weights))},
                 {"precision", std::string(name_of(t.config.train.precision))}, {"device", t.device.str()}};
  if (!test.needs_data) return object;
  const int64_t all = test_set().size();
  object["samples"] = t.config.eval.limit ? std::min(*t.config.eval.limit, all) : all;
  object["unit"] = sample_unit(t.config);
  if (const int64_t views = recipe()->views(); views > 1) object["views_per_sample"] = views;
  object["dataset"] = test_set().describe();
  return object;
}

json EvalSession::keys(const EvalTest& test) const {
  const auto node = parse_config(dump(trained_.config), "the configuration");
  json data = json::array(), eval = json::object();
  if (test.needs_data) add_lines(*node.find("data"), "data", data);
  // The views of videos: the one part of the recipe that an evaluation may choose.
  if (test.needs_data && trained_.config.model.axes() == 3) add_lines(*node.find("augment")->find("clip"), "augment.clip", data);
  for (const auto key : test.keys) {
    json line = json::array();
    if (const auto* value = node.find("eval")->find(key)) add_lines(*value, std::string(key), line);
    eval[std::string(key)] = line;
  }
  return {{"version", kEvaluationVersion}, {"test", std::string(test.name)}, {"checkpoint", trained_.digest}, {"weights", std::string(name_of(trained_.config.eval.weights))},
          {"precision", std::string(name_of(trained_.config.train.precision))}, {"device", trained_.device.is_cuda() ? "cuda" : "cpu"}, {"data", data}, {"eval", eval}};
}

std::vector<int64_t> sizes_to_test(const ExperimentConfig& config) {
  if (!config.eval.sizes.empty()) return config.eval.sizes;
  const int64_t trained = config.model.input_size.back(), patch = config.model.patch.back();
  std::vector<int64_t> sizes;
  for (double factor : {1.0, 1.5, 2.0, 3.0}) sizes.push_back(std::llround(factor * static_cast<double>(trained) / static_cast<double>(patch)) * patch);
  return sizes;
}

std::vector<int64_t> with_side(const std::vector<int64_t>& input_size, int64_t side) {
  auto size = input_size;
  size.back() = side;
  if (size.size() > 1) size[size.size() - 2] = side;
  return size;
}

json repeated_result(const Outcomes& before, const std::vector<Outcomes>& repetitions, int64_t resamples) {
  const auto after = mean_of(repetitions);
  json object = relative_drop(before, after, resamples);
  object["after"] = scores(after, resamples);
  object["seeds"] = json::array();
  for (size_t seed = 0; seed < repetitions.size(); ++seed) {
    object["seeds"].push_back(scores(repetitions[seed], 0));
    object["seeds"].back()["seed"] = seed;
  }
  return object;
}

std::vector<std::string> repeated_line(const std::string& name, const json& result) {
  const auto& after = result.at("after");
  return {name, std::to_string(result.at("seeds").size()), fixed_text(number_in(after, "top1"), 2), interval_text(after, "top1", 2), fixed_text(number_in(after, "loss"), 4),
          fixed_text(number_in(result, "relative_drop"), 1), interval_text(result, "relative_drop", 1)};
}

}  // namespace liere
