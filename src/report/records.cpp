#include "report/records.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "report/differences.h"
#include "report/groups.h"
#include "report/paper.h"
#include "report/sizes.h"
#include "report/statistics.h"
#include "report/table.h"

namespace liere::report {
namespace {

using nlohmann::ordered_json;

ordered_json value(double number) { return std::isfinite(number) ? ordered_json(number) : ordered_json(nullptr); }
ordered_json value(const std::optional<int64_t>& number) { return number ? ordered_json(*number) : ordered_json(nullptr); }

bool is_same_input(const ResolutionResult& a, const ResolutionResult& b) {
  return a.size == b.size && a.reading == b.reading && a.positions == b.positions;
}

/// One result of each size, reading and positions, in the order of evaluation.
std::vector<ResolutionResult> distinct_inputs(const std::vector<Run>& runs) {
  std::vector<ResolutionResult> distinct;
  for (const Run& run : runs)
    for (const ResolutionResult& result : run.resolution_test)
      if (std::none_of(distinct.begin(), distinct.end(), [&result](const ResolutionResult& other) { return is_same_input(result, other); }))
        distinct.push_back(result);
  return distinct;
}

ordered_json record(const Run& run, const std::vector<ResolutionResult>& columns, double reach_percent) {
  const Accuracy& accuracy = run.accuracy();
  ordered_json record = {{"label", run.label},     {"name", run.name},   {"run", run.shown_folder}, {"encoding", run.encoding},
                         {"dataset", run.dataset}, {"state", run.state}, {"seed", value(run.seed)},    {"top1", value(accuracy.top1)}};
  const auto known = accuracy_interval(accuracy);
  const Interval interval = known.value_or(Interval{kUnknown, kUnknown});
  record["top1_low"] = value(interval.low);
  record["top1_high"] = value(interval.high);
  record["top1_interval"] = !known ? ordered_json(nullptr) : ordered_json(accuracy.bootstrap ? "bootstrap" : "wilson");
  record["top1_samples"] = value(accuracy.samples);
  record["top5"] = value(accuracy.top5);
  record["loss"] = value(accuracy.loss);
  record["top1_split"] = run.tests_the_end() ? "test" : run.final_split;
  record["best_top1"] = value(run.best.top1);
  record["best_step"] = value(run.best.step);
  record["best_selected_on"] = std::isnan(run.best.top1) ? ordered_json(nullptr) : ordered_json(run.best.selected_on);
  record["best_samples"] = value(run.best.samples);
  const ShuffleTest shuffle = run.shuffle_test.value_or(ShuffleTest{});
  record["shuffled_top1"] = value(shuffle.after.top1);
  record["shuffled_samples"] = value(shuffle.after.samples);
  record["shuffled_seeds"] = run.shuffle_test ? ordered_json(shuffle.seeds) : ordered_json(nullptr);
  record["relative_drop"] = value(shuffle.relative_drop);
  for (const ResolutionResult& column : columns) {
    std::string key = "top1_" + size_text(column.size);
    for (const std::string& part : {column.reading, column.positions})
      if (!part.empty()) key.append("_").append(part);
    const auto same = [&column](const ResolutionResult& result) { return is_same_input(result, column); };
    const auto result = std::find_if(run.resolution_test.begin(), run.resolution_test.end(), same);
    record[key] = result == run.resolution_test.end() ? ordered_json(nullptr) : value(result->accuracy.top1);
    record[key + "_samples"] = result == run.resolution_test.end() ? ordered_json(nullptr) : value(result->accuracy.samples);
  }
  record["samples_to_" + format_number(reach_percent, reach_percent == std::floor(reach_percent) ? 0 : 1)] =
      value(samples_to_reach(run.evals, reach_percent));
  record["samples_per_second"] = value(run.samples_per_second);
  record["parameters"] = value(run.parameters);
  record["rotation_parameters"] = value(run.rotation_parameters);
  record["flops_per_sample"] = value(run.flops_per_sample);
  record["epochs"] = value(run.epochs);
  record["steps"] = value(run.steps);
  record["samples_seen"] = value(run.samples_seen);
  record["seconds"] = value(run.seconds);
  record["device"] = run.device;
  record["identity"] = run.identity;
  record["identity_without_seed"] = run.identity_without_seed;
  return record;
}

ordered_json value(const Spread& spread) {
  return {{"mean", value(spread.mean)}, {"std", value(spread.deviation)}, {"min", value(spread.low)}, {"max", value(spread.high)}, {"n", spread.count}};
}

ordered_json folders(const Group& group) {
  ordered_json names = ordered_json::array();
  for (const Run* run : group.runs) names.push_back(run->shown_folder);
  return names;
}

ordered_json group_record(const Group& group) {
  ordered_json record = {{"label", group.label}, {"identity_without_seed", group.runs.front()->identity_without_seed}, {"runs", folders(group)}, {"seeds", ordered_json::array()}};
  for (const Run* run : group.runs) record["seeds"].push_back(value(run->seed));
  record["top1"] = value(group.spread([](const Run& run) { return run.accuracy().top1; }));
  record["best_top1"] = value(group.spread([](const Run& run) { return run.best.top1; }));
  record["shuffled_top1"] = value(group.spread([](const Run& run) { return run.shuffle_test ? run.shuffle_test->after.top1 : kUnknown; }));
  record["relative_drop"] = value(group.spread([](const Run& run) { return run.shuffle_test ? run.shuffle_test->relative_drop : kUnknown; }));
  return record;
}

ordered_json value(const std::optional<Interval>& interval) {
  return interval ? ordered_json{value(interval->low), value(interval->high)} : ordered_json(nullptr);
}

/// A figure of a cell of the paper's tables, as the page's table has it; `paper_version` and the entry's other keys as the configuration spells them.
ordered_json cell_record(const PaperCell& cell) {
  const PaperEntry& entry = cell.entry;
  ordered_json record = {{"table", entry.table}, {"row", entry.row}, {"column", entry.column}, {"paper_version", entry.paper.empty() ? ordered_json(nullptr) : ordered_json(entry.paper)}, {"test", entry.test}};
  if (entry.size) record["size"] = *entry.size;
  if (!entry.positions.empty()) record["positions"] = entry.positions;
  if (!entry.reading.empty()) record["reading"] = entry.reading;
  record["figure"] = figure_key(cell.figure);
  record["ours"] = value(cell.ours.mean);
  record["ours_interval"] = value(cell.ours.interval);
  record["ours_interval_over"] = cell.ours.over.empty() ? ordered_json(nullptr) : ordered_json(cell.ours.over);
  record["seeds"] = cell.ours.seeds;
  record["paper"] = value(cell.paper);
  record["paper_interval"] = value(cell.paper_interval);
  record["difference"] = value(cell.ours.mean - cell.paper);
  record["verdict"] = cell.verdict;
  record["remarks"] = cell.remarks;
  record["runs"] = folders(cell.group);
  return record;
}

ordered_json comparison_record(const Comparison& c) {
  const auto number = [](const auto& test, auto member) { return test ? value((*test).*member) : ordered_json(nullptr); };
  return {{"first", c.first->label},
          {"second", c.second->label},
          {"seeds", c.seeds},
          {"difference", value(c.difference)},
          {"interval", value(c.interval)},
          {"interval_over", c.over.empty() ? ordered_json(nullptr) : ordered_json(c.over)},
          {"p_sign_flips", number(c.flips, &SignFlipResult::p)},
          {"smallest_p", number(c.flips, &SignFlipResult::smallest_p)},
          {"p_holm", c.p_holm ? value(*c.p_holm) : ordered_json(nullptr)},
          {"p_mcnemar", number(c.mcnemar, &McNemarResult::p)},
          {"conclusion", conclusion(c)}};
}

std::string csv_field(const ordered_json& field) {
  if (field.is_null()) return "";
  if (!field.is_string()) return field.dump();
  const std::string text = field.get<std::string>();
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

std::string csv(const std::vector<Run>& runs, double reach_percent) {
  const std::vector<ResolutionResult> columns = distinct_inputs(runs);
  std::string text;
  for (const Run& run : runs) {
    const ordered_json fields = record(run, columns, reach_percent);
    std::string head, line;
    for (const auto& [key, field] : fields.items()) {
      const char* separator = head.empty() ? "" : ",";
      head.append(separator).append(csv_field(key));
      line.append(separator).append(csv_field(field));
    }
    if (text.empty()) text = head + "\r\n";
    text += line + "\r\n";
  }
  return text;
}

std::string json_text(const std::vector<Run>& runs, double reach_percent) {
  const std::vector<ResolutionResult> columns = distinct_inputs(runs);
  ordered_json result = {{"reach_percent", reach_percent}, {"groups", ordered_json::array()}, {"runs", ordered_json::array()}, {"notes", make_table(runs, reach_percent).notes}};
  for (const Group& group : group_by_seed(runs)) result["groups"].push_back(group_record(group));
  for (const Run& run : runs) result["runs"].push_back(record(run, columns, reach_percent));
  const Estimates estimates(runs);
  const std::vector<Group> groups = group_by_seed(runs);
  result["paper"] = ordered_json::array();
  for (const PaperCell& cell : paper_cells(runs, estimates)) result["paper"].push_back(cell_record(cell));
  result["differences"] = ordered_json::array();
  for (const Comparison& comparison : estimates.comparisons(groups)) result["differences"].push_back(comparison_record(comparison));
  return result.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace liere::report
