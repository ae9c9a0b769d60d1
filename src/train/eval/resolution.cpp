// Test `resolution` (paper figure "resolution", table C): accuracy over input sizes, for every size both position rules. Generated data is read in both ways
// of "larger": "grid" (the same objects on a larger grid of cells of unchanged size) and "scaled" (the picture scaled up); other data is resized ("resize").
#include "data/datasets/arrows.h"
#include "data/datasets/sequences.h"
#include "data/recipes.h"
#include "train/eval/session.h"
#include "train/eval/text.h"

namespace liere {
namespace {

using nlohmann::json;

/// Puts the trained position rule back, also when a test is stopped.
class PositionRuleScope {
 public:
  explicit PositionRuleScope(TrainedModel& trained) : trained_(trained) {}
  ~PositionRuleScope() {
    if (const auto rule = position_rule(trained_.config.model.position)) set(*rule);
  }
  PositionRuleScope(const PositionRuleScope&) = delete;
  PositionRuleScope& operator=(const PositionRuleScope&) = delete;
  void set(PositionRule rule) { trained_.model->position().set_position_rule(rule); }

 private:
  TrainedModel& trained_;
};

std::vector<std::optional<PositionRule>> rules_to_test(const PositionConfig& position) {
  const auto rule = position_rule(position);
  if (!rule || *rule == PositionRule::kIndex || *rule == PositionRule::kPhysical) return {rule};
  return {PositionRule::kSequential, PositionRule::kFixed};
}

/// One way of making a picture of another size.
struct Reading {
  std::string name;
  const Dataset* dataset;
};

json size_result(EvalSession& session, const Reading& reading, int64_t size, std::optional<PositionRule> rule, const Recipe& recipe) {
  auto& trained = session.trained();
  PositionRuleScope positions(trained);
  if (rule) positions.set(*rule);
  const std::string rule_name = rule ? std::string(name_of(*rule)) : "none";
  const auto [rows, sample_rows] = session.evaluate_rows(*reading.dataset, recipe, session.options(std::to_string(size) + " px " + reading.name + " " + rule_name));
  const auto outcomes = outcomes_of(rows);
  auto row = scores(outcomes, session.config().eval.resamples);
  if (!sample_rows.empty()) row["video"] = scores(outcomes_of(sample_rows), session.config().eval.resamples);
  row.update({{"size", trained.config.model.axes() == 1 ? json{size} : json{size, size}}, {"grid", trained.model->grid(with_side(trained.config.model.input_size, size)).now}, {"positions", rule_name},
              {"as_trained", !rule || *rule == *position_rule(trained.config.model.position)}, {"reading", reading.name}, {"samples", outcomes.top1.size()}});
  return row;
}

}  // namespace

TestOutput resolution_test(EvalSession& session) {
  const auto& config = session.config();
  const auto* arrows = std::get_if<ArrowsConfig>(&config.data.dataset);
  const int64_t trained_size = config.model.input_size.back();
  json results = json::array();
  for (const int64_t size : sizes_to_test(config)) {
    const auto recipe = make_eval_recipe(config.data.dataset, config.augment, with_side(config.model.input_size, size));
    std::unique_ptr<Dataset> larger_grid;
    std::vector<Reading> readings;
    if (arrows && size != trained_size && size % arrows->cell == 0) {
      larger_grid = make_arrows(*arrows, Split::kTest, size / arrows->cell);
      readings.push_back({"grid", larger_grid.get()});
    }
    if (const auto* sequences = std::get_if<SequencesConfig>(&config.data.dataset); sequences && size != trained_size) {
      larger_grid = make_sequences(*sequences, Split::kTest, size);
      readings.push_back({"grid", larger_grid.get()});  // stretched symbols would be no sequence
    } else {
      readings.push_back({size == trained_size ? "trained" : arrows ? "scaled" : "resize", &session.test_set()});
    }
    for (const auto& reading : readings)
      for (const auto& rule : rules_to_test(config.model.position)) {
        // At the training size both rules give the same positions.
        if (size == trained_size && rule && *rule == PositionRule::kFixed) continue;
        results.push_back(size_result(session, reading, size, rule, *recipe));
      }
  }
  return {{{"results", results}, {"bootstrap", bootstrap_statement(config.eval.resamples)}}, {}, {}};
}

std::string describe_resolution(const json& result) {
  std::vector<std::vector<std::string>> rows = {{"positions", "reading", "size px", "tokens", "top-1 %", "95 % interval", "top-5 %", "loss"}};
  for (const auto& row : result.at("results")) {
    std::string tokens;
    for (const auto& count : row.at("grid")) tokens += (tokens.empty() ? "" : "x") + std::to_string(count.get<int64_t>());
    rows.push_back({row.at("positions").get<std::string>(), row.at("reading").get<std::string>(), std::to_string(row.at("size")[0].get<int64_t>()),
                    tokens, fixed_text(number_in(row, "top1"), 2), interval_text(row, "top1", 2), fixed_text(number_in(row, "top5"), 2),
                    fixed_text(number_in(row, "loss"), 4)});
  }
  return aligned_text(rows, 2);
}

}  // namespace liere
