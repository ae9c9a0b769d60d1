// What belongs to a cell: its training's cost, and the result that was measured of it. A training that stands in several tables (the default of a
// sweep is the main table's run) is run once and counts once.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "status/cells.h"
#include "status/records.h"

namespace liere::status {

class Matches {
 public:
  /// All must outlive it. Throws ConfigError where a result names no cell, or a training has no cost.
  Matches(const std::vector<Cell>& cells, const std::vector<Result>& results, const std::vector<Cost>& costs);

  /// Of the cell itself, or of the same test of the same training in another table; nullptr where there is none.
  const Result* result_of(const Cell& cell) const;
  /// Of a small model in its place.
  const Result* small_of(const Cell& cell) const;
  const Cost& cost_of(const Cell& cell) const;

  /// "not run yet, about 1.2 GPU hours", of cells without a result; each training is counted in the first line that needs it.
  std::string what_is_left(const std::vector<const Cell*>& cells);
  /// Of all lines so far.
  double hours_left() const { return hours_left_; }
  /// Different ones, with a result.
  size_t trainings_measured() const { return trained_.size(); }

 private:
  std::map<std::string, const Cost*> costs_;  // by the training's text
  std::map<const Cost*, std::string> first_;  // table that counted it
  std::map<const Cell*, const Result*> exact_, small_;
  std::set<const Cost*> trained_;
  double hours_left_ = 0;
};

/// "0.03", "0.3", "12".
std::string hours_text(double hours);

}  // namespace liere::status
