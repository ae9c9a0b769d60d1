#include "train/eval/compare.h"

#include <cmath>
#include <set>

#include "core/check.h"
#include "core/files.h"
#include "train/eval/scores.h"
#include "train/eval/store.h"
#include "train/eval/text.h"

namespace liere {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::vector<StoredEvaluation> read_side(const std::string& paths) {
  std::vector<StoredEvaluation> side;
  for (size_t begin = 0; begin <= paths.size();) {
    const size_t end = std::min(paths.find(',', begin), paths.size());
    if (end == begin) throw ConfigError("compare: '" + paths + "' names an empty path. Expected folders separated by single commas, as in RUN_SEED0,RUN_SEED1.");
    side.push_back(read_evaluation(paths.substr(begin, end - begin)));
    for (size_t i = 0; i + 1 < side.size(); ++i)
      if (fs::equivalent(side[i].folder, side.back().folder)) throw ConfigError("compare: " + side.back().folder.string() + " is given twice on one side. Leave one out.");
    begin = end + 1;
  }
  return side;
}

/// The same samples with the same labels in the same order, or a DataError that says where they differ.
void check_paired(const StoredEvaluation& a, const StoredEvaluation& b) {
  const std::string both = (a.folder / "samples.csv").string() + " and " + (b.folder / "samples.csv").string();
  for (size_t i = 0; i < std::min(a.rows.size(), b.rows.size()); ++i) {
    const Row &x = a.rows[i], &y = b.rows[i];
    const auto text = [](const Row& row) { return "sample " + std::to_string(row.sample) + ", view " + std::to_string(row.view) + ", label " + std::to_string(row.label); };
    if (x.sample != y.sample || x.view != y.view || x.label != y.label)
      throw DataError("a comparison needs the same samples with the same labels, but line " + std::to_string(i + 2) + " of " + both + " differs: " + text(x) + " against " + text(y) +
                      ". Evaluate both on the same data.");
  }
  if (a.rows.size() != b.rows.size() || a.sample_rows.size() != b.sample_rows.size())
    throw DataError("a comparison needs the same samples, but " + both + " hold " + std::to_string(a.rows.size()) + " and " + std::to_string(b.rows.size()) +
                    ". Evaluate both with the same eval.limit.");
}

using RowsOf = std::vector<Row> StoredEvaluation::*;

Outcomes outcomes_of_side(const std::vector<StoredEvaluation>& side, RowsOf rows) {
  std::vector<Outcomes> repetitions;
  for (const auto& evaluation : side) repetitions.push_back(outcomes_of(evaluation.*rows));
  return mean_of(repetitions);
}

json side_json(const std::vector<StoredEvaluation>& side, const Outcomes& outcomes, int64_t resamples) {
  json object = scores(outcomes, resamples);
  object["label"] = side[0].result.value("label", side[0].folder.string());
  object["evaluations"] = json::array();
  for (const auto& evaluation : side) {
    auto entry = scores(outcomes_of(evaluation.rows), 0);
    entry["folder"] = evaluation.folder.string();
    for (const char* key : {"name", "seed", "step", "weights", "precision"}) entry[key] = evaluation.result.value(key, json());
    object["evaluations"].push_back(entry);
  }
  return object;
}

json difference(const std::vector<double>& first, const std::vector<double>& second, int64_t resamples) {
  auto means = bootstrap_means({first, second}, resamples, kBootstrapSeed);
  double mean = 0;
  for (size_t i = 0; i < first.size(); ++i) mean += second[i] - first[i];
  for (size_t i = 0; i < means[0].size(); ++i) means[0][i] = means[1][i] - means[0][i];
  return {{"difference", mean / static_cast<double>(first.size())}, {"difference_interval", interval_json(percentile_interval(means[0]))}, {"p", bootstrap_p(means[0])}};
}

json mcnemar_json(const std::vector<Row>& first, const std::vector<Row>& second) {
  int64_t only_first = 0, only_second = 0;
  for (size_t i = 0; i < first.size(); ++i) {
    only_first += first[i].correct1() && !second[i].correct1();
    only_second += second[i].correct1() && !first[i].correct1();
  }
  const auto result = mcnemar(only_first, only_second);
  json object = {{"only_first", only_first}, {"only_second", only_second}, {"test", result.exact ? "exact binomial" : "chi-square with continuity correction"}, {"p", result.p}};
  if (!result.exact) object["chi_square"] = result.statistic;
  return object;
}

json notes(const std::vector<StoredEvaluation>& first, const std::vector<StoredEvaluation>& second) {
  json list = json::array();
  if (first.size() == 1 && second.size() == 1)
    list.push_back("Two runs, not two methods: one seed a side, so the difference includes the chance of the seed.");
  else
    list.push_back("Each sample's outcome is its mean over the evaluations of a side; the interval is over test samples, not over further seeds.");
  for (const char* key : {"weights", "precision", "dataset"}) {
    std::set<std::string> values;
    for (const auto* side : {&first, &second})
      for (const auto& evaluation : *side) values.insert(evaluation.result.value(key, "unknown"));
    std::string text;
    for (const auto& value : values) text += (text.empty() ? "" : ", ") + value;
    if (values.size() > 1) list.push_back("The evaluations differ in " + std::string(key) + ": " + text + ".");
  }
  for (const auto* side : {&first, &second}) {
    std::set<std::string> identities;
    for (const auto& evaluation : *side) identities.insert(evaluation.result.value("identity_without_seed", ""));
    if (identities.size() > 1) list.push_back("The evaluations of " + std::string(side == &first ? "the first" : "the second") + " side are of different configurations, not only of different seeds.");
  }
  return list;
}

}  // namespace

StoredEvaluation read_evaluation(const fs::path& path) {
  std::error_code ignored;
  const auto accuracy = path / "eval" / "accuracy";
  const fs::path folder = fs::exists(accuracy, ignored) && !fs::exists(path / "eval.json", ignored) ? accuracy : path;
  const auto file = folder / "eval.json";
  const std::string command = "liere-eval --checkpoint RUN --test accuracy";
  if (!fs::is_regular_file(file, ignored))
    throw DataError(path.string() + " is no evaluation: expected a folder with eval.json and samples.csv, or a run folder with eval/accuracy. Make it with " + command + ".");
  StoredEvaluation evaluation{folder, json::parse(read_file(file), nullptr, /*allow_exceptions=*/false), {}, {}};
  if (!evaluation.result.is_object()) throw DataError(file.string() + " is not a JSON object. Make it again with " + command + " --fresh.");
  if (!evaluation.result.value("files", json::object()).contains("samples.csv"))
    throw DataError(file.string() + " has no samples.csv: expected an evaluation of the test accuracy, found '" + evaluation.result.value("test", "unknown") + "'. Make it with " + command + ".");
  for (const auto& name : damaged_files(folder, evaluation.result))
    if (name == "samples.csv" || name == "videos.csv") throw DataError((folder / name).string() + " is missing or was changed after the evaluation. Make it again with " + command + " --fresh.");
  evaluation.rows = read_samples_csv(folder / "samples.csv");
  if (evaluation.result.at("files").contains("videos.csv")) evaluation.sample_rows = read_samples_csv(folder / "videos.csv");
  return evaluation;
}

json compare_evaluations(const std::vector<StoredEvaluation>& first, const std::vector<StoredEvaluation>& second, int64_t resamples) {
  for (const auto* side : {&first, &second})
    for (const auto& evaluation : *side) check_paired(first.at(0), evaluation);
  const auto a = outcomes_of_side(first, &StoredEvaluation::rows), b = outcomes_of_side(second, &StoredEvaluation::rows);
  json object = {{"samples", a.top1.size()}, {"first", side_json(first, a, resamples)}, {"second", side_json(second, b, resamples)}, {"top1", difference(a.top1, b.top1, resamples)},
                 {"loss", difference(a.loss, b.loss, resamples)}, {"bootstrap", bootstrap_statement(resamples)}, {"notes", notes(first, second)}};
  if (!first[0].sample_rows.empty()) {
    const auto x = outcomes_of_side(first, &StoredEvaluation::sample_rows), y = outcomes_of_side(second, &StoredEvaluation::sample_rows);
    object["video"] = {{"first", scores(x, resamples)}, {"second", scores(y, resamples)}, {"top1", difference(x.top1, y.top1, resamples)}, {"loss", difference(x.loss, y.loss, resamples)}};
  }
  object["mcnemar"] = first.size() == 1 && second.size() == 1 ? mcnemar_json(first[0].of_samples(), second[0].of_samples()) : json();
  return json::parse(object.dump());
}

json compare_paths(const std::string& first, const std::string& second, int64_t resamples) { return compare_evaluations(read_side(first), read_side(second), resamples); }

std::string describe_comparison(const json& comparison) {
  const auto side = [&comparison](const char* key, const char* name) {
    const auto& object = comparison.at(key);
    return std::vector<std::string>{name, object.at("label").get<std::string>(), std::to_string(object.at("evaluations").size()), fixed_text(number_in(object, "top1"), 2),
                                    interval_text(object, "top1", 2), fixed_text(number_in(object, "loss"), 4)};
  };
  std::string text = std::to_string(comparison.at("samples").get<int64_t>()) + " samples\n" +
                     aligned_text({{"", "encoding", "runs", "top-1 %", "95 % interval", "loss"}, side("first", "A"), side("second", "B")}, 2);
  for (const char* key : {"first", "second"}) {
    const auto& evaluations = comparison.at(key).at("evaluations");
    if (evaluations.size() < 2) continue;
    text += std::string("  top-1 % of ") + (std::string(key) == "first" ? "A" : "B") + "'s runs:";
    for (const auto& evaluation : evaluations) text += " " + fixed_text(number_in(evaluation, "top1"), 2);
    text += "\n";
  }
  const auto line = [](const json& from, const std::string& name, const char* key, int decimals) {
    const auto& object = from.at(key);
    return std::vector<std::string>{name, (number_in(object, "difference") > 0 ? "+" : "") + fixed_text(number_in(object, "difference"), decimals), interval_text(object, "difference", decimals),
                                    small_text(number_in(object, "p"))};
  };
  std::vector<std::vector<std::string>> differences = {{"B - A", "difference", "95 % interval", "p (paired bootstrap)"}};
  const auto add = [&](const json& from, const std::string& of) {
    differences.push_back(line(from, "top-1 points" + of, "top1", 2));
    differences.push_back(line(from, "loss" + of, "loss", 4));
  };
  const bool views = comparison.contains("video");
  add(comparison, views ? ", each view" : "");
  if (views) add(comparison.at("video"), ", mean of a video's views");
  text += "\n" + aligned_text(differences);
  if (const auto& test = comparison.at("mcnemar"); test.is_object())
    text += "  McNemar: only A right " + std::to_string(test.at("only_first").get<int64_t>()) + ", only B right " + std::to_string(test.at("only_second").get<int64_t>()) + ", p = " +
            small_text(number_in(test, "p")) + " (" + test.at("test").get<std::string>() + ")\n";
  const auto& bootstrap = comparison.at("bootstrap");
  text += "  " + std::to_string(bootstrap.at("resamples").get<int64_t>()) + " resamples, seed " + std::to_string(bootstrap.at("seed").get<int64_t>()) + "; p of the bootstrap is at least " +
          small_text(2 / (number_in(bootstrap, "resamples") + 1)) + "\n";
  for (const auto& note : comparison.at("notes")) text += "  " + note.get<std::string>() + "\n";
  return text;
}

}  // namespace liere
