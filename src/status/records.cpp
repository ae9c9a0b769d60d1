#include "status/records.h"

#include <cstdio>

#include "core/check.h"
#include "core/config.h"

namespace liere::status {

template <class V>
void fields(V& v, Result& c) {
  v("table", c.cell.table, "");
  v("row", c.cell.row, "");
  v("column", c.cell.column, "");
  v("paper", c.paper, "");
  v("test", c.test, "");
  v("size", c.size, "", at_least(1));
  v("top1", c.top1, "", between(0.0, 100.0));
  v("interval", c.interval, "", between(0.0, 100.0));
  v("loss", c.loss, "");
  v("loss_interval", c.loss_interval, "");
  v("relative_drop", c.relative_drop, "");
  v("drop_interval", c.drop_interval, "");
  v("epochs_factor", c.epochs_factor, "", positive());
  v("epochs_interval", c.epochs_interval, "", positive());
  v("seeds", c.seeds, "", at_least(1));
  v("device", c.device, "");
  v("date", c.date, "");
  v("commit", c.commit, "");
  v("source", c.source, "");
  v("note", c.note, "");
  v("small_model", c.small_model, "");
}

template <class V>
void fields(V& v, Check& c) {
  v("table", c.table, "");
  v("cell", c.cell, "");
  v("paper", c.paper, "");
  v("ours", c.ours, "");
  v("state", c.state, "");
}

template <class V>
void fields(V& v, Cost& c) {
  v("runs", c.runs, "");
  v("training_flop", c.training_flop, "", positive());
  v("evaluation_flop", c.evaluation_flop, "");
  v("micro_batch", c.micro_batch, "");
}

namespace {

[[noreturn]] void fail(const ConfigNode& node, const std::string& expected) { throw ConfigError(node.origin.text() + ": " + expected); }

/// The items of the list `key`.
const std::vector<ConfigNode>& items_of(const ConfigNode& root, const std::string& key) {
  static const std::vector<ConfigNode> none;
  const ConfigNode* list = root.find(key);
  if (!list || list->type == ConfigNode::Type::kNull) return none;
  if (list->type != ConfigNode::Type::kSequence) fail(*list, key + ": expected a list.");
  return list->items;
}

void check_interval(const ConfigNode& node, const std::string& name, const std::vector<double>& interval, const std::optional<double>& figure) {
  if (interval.empty()) return;
  if (interval.size() != 2 || interval[0] > interval[1]) fail(node, name + ": expected [low, high].");
  if (!figure || *figure < interval[0] || *figure > interval[1]) fail(node, name + ": expected to hold its figure.");
}

Result read_result(const ConfigNode& node) {
  Result result;
  decode(node, result);
  if (!paper_table(result.cell.table)) fail(node, "table: expected a letter from A to M, found '" + result.cell.table + "'.");
  for (const auto& [name, text] : {std::pair<const char*, const std::string*>{"row", &result.cell.row},
                                   {"column", &result.cell.column},
                                   {"device", &result.device},
                                   {"date", &result.date},
                                   {"commit", &result.commit},
                                   {"source", &result.source}})
    if (text->empty()) fail(node, std::string("expected ") + name + ": a result says what it is of, and where it is from.");
  if (!result.top1 && !result.loss && !result.relative_drop && !result.epochs_factor)
    fail(node, "expected a figure: top1, loss, relative_drop or epochs_factor.");
  check_interval(node, "interval", result.interval, result.top1);
  check_interval(node, "drop_interval", result.drop_interval, result.relative_drop);
  check_interval(node, "loss_interval", result.loss_interval, result.loss);
  check_interval(node, "epochs_interval", result.epochs_interval, result.epochs_factor);
  return result;
}

}  // namespace

Results read_results(const std::filesystem::path& path) {
  const ConfigNode root = load_config(path, {});
  for (const auto& [key, value] : root.entries)
    if (key != "results" && key != "checks") fail(value, "'" + key + "': expected the lists results and checks.");
  Results all;
  for (const ConfigNode& item : items_of(root, "results")) all.results.push_back(read_result(item));
  for (const ConfigNode& item : items_of(root, "checks")) {
    Check check;
    decode(item, check);
    if (!paper_table(check.table) || check.cell.empty() || check.state.empty()) fail(item, "checks: expected table, cell and state.");
    all.checks.push_back(check);
  }
  return all;
}

std::vector<Cost> read_costs(const std::filesystem::path& path) {
  const ConfigNode root = load_config(path, {});
  std::vector<Cost> costs;
  for (const ConfigNode& item : items_of(root, "trainings")) {
    costs.emplace_back();
    decode(item, costs.back());
    if (costs.back().runs.empty() || costs.back().micro_batch.size() != 3)
      fail(item, "trainings: expected runs, and micro_batch for 24, 40 and 80 GB.");
  }
  return costs;
}

std::string costs_text(const std::vector<Cost>& costs) {
  std::string text =
      "# Written by scripts/status.sh: what each training of the paper's tables takes, as liere-train plan counts it. FLOP of training and "
      "evaluations; the\n"
      "# micro-batches that are estimated to fit into 24, 40 and 80 GB. Trainings in one line are the same.\ntrainings:\n";
  for (const Cost& cost : costs) {
    std::string runs;
    for (const std::string& run : cost.runs) runs += (runs.empty() ? "\"" : ", \"") + run + "\"";
    char figures[160];
    std::snprintf(figures, sizeof figures, "training_flop: %.4g, evaluation_flop: %.4g, micro_batch: [%lld, %lld, %lld]", cost.training_flop,
                  cost.evaluation_flop, static_cast<long long>(cost.micro_batch.at(0)), static_cast<long long>(cost.micro_batch.at(1)),
                  static_cast<long long>(cost.micro_batch.at(2)));
    text += "  - {" + std::string(figures) + ", runs: [" + runs + "]}\n";
  }
  return text;
}

}  // namespace liere::status
