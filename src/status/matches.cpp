#include "status/matches.h"

#include <algorithm>
#include <cstdio>

#include "core/check.h"
#include "status/table.h"

namespace liere::status {
namespace {

bool is_of(const Result& result, const Cell& cell) {
  const PaperEntry& e = cell.entry;
  return result.cell.table == e.table && result.cell.row == e.row && result.cell.column == e.column && result.paper == e.paper &&
         result.test == e.test && result.size == e.size;
}

}  // namespace

double gpu_hours(const Cost& cost) {
  constexpr double kRate = 0.35 * 989e12;
  return (cost.training_flop + cost.evaluation_flop) / kRate / 3600;
}

std::string hours_text(double hours) {
  char text[32];
  std::snprintf(text, sizeof text, hours < 0.095 ? "%.2f" : hours < 9.95 ? "%.1f" : "%.0f", hours);
  return text;
}

Matches::Matches(const std::vector<Cell>& cells, const std::vector<Result>& results, const std::vector<Cost>& costs) {
  for (const Cost& cost : costs)
    for (const std::string& run : cost.runs) costs_[run] = &cost;
  for (const Cell& cell : cells)
    if (!costs_.count(cell.training.text()))
      throw ConfigError("costs.yaml has no training '" + cell.training.text() + "'. Renew it with scripts/status.sh.");
  for (const Result& result : results) {
    const auto cell = std::find_if(cells.begin(), cells.end(), [&result](const Cell& c) { return is_of(result, c); });
    if (cell == cells.end())
      throw ConfigError("results.yaml: table " + result.cell.table + ", row '" + result.cell.row + "', column '" + result.cell.column + "', paper " +
                        result.paper + ", test " + result.test + " is no cell that a configuration or sweep reproduces.");
    (result.small_model.empty() ? exact_ : small_)[&*cell] = &result;
    if (result.small_model.empty()) trained_.insert(&cost_of(*cell));
  }
}

const Cost& Matches::cost_of(const Cell& cell) const { return *costs_.at(cell.training.text()); }

const Result* Matches::result_of(const Cell& cell) const {
  if (const auto found = exact_.find(&cell); found != exact_.end()) return found->second;
  for (const auto& [other, result] : exact_)
    if (&cost_of(*other) == &cost_of(cell) && is_same_test(other->entry, cell.entry)) return result;
  return nullptr;
}

const Result* Matches::small_of(const Cell& cell) const {
  const auto found = small_.find(&cell);
  return found == small_.end() ? nullptr : found->second;
}

std::string Matches::what_is_left(const std::vector<const Cell*>& cells) {
  double hours = 0;
  bool evaluation = false;
  std::set<std::string> elsewhere;
  for (const Cell* cell : cells) {
    const Cost* cost = &cost_of(*cell);
    if (trained_.count(cost)) {
      evaluation = true;
      continue;
    }
    if (const auto [first, is_new] = first_.try_emplace(cost, cell->entry.table); is_new)
      hours += gpu_hours(*cost);
    else if (first->second != cell->entry.table)
      elsewhere.insert(first->second);
  }
  hours_left_ += hours;
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (hours > 0) add("about " + hours_text(hours) + " GPU hours");
  for (const std::string& letter : elsewhere) add("runs of " + letter);
  if (evaluation) add("an evaluation of runs that are there");
  return "not run yet" + (text.empty() ? "" : ": " + text);
}

}  // namespace liere::status
