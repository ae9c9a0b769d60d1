// Runs that differ in their seed alone, as one row of the table and one curve of a picture: mean, sample standard deviation and range over the seeds.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "report/run.h"
#include "report/statistics.h"

namespace liere::report {

struct Group {
  std::string label;               // "LieRE_8, 3 seeds"; of a single run its own
  std::vector<const Run*> runs;    // never empty, in the order given; seeds differ
  /// Over the runs, of a figure that may be unknown.
  Spread spread(const std::function<double(const Run&)>& figure) const;
};

/// In the order of their first runs. Together go runs of one identity_without_seed that went equally far and ended alike (train.steps is no part of
/// the identity); of two runs with the same seed the second opens a group of its own. The runs must outlive the groups.
std::vector<Group> group_by_seed(const std::vector<Run>& runs);

}  // namespace liere::report
