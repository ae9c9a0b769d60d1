#include "report/groups.h"

#include <algorithm>
#include <cstdio>

namespace liere::report {
namespace {

bool belongs(const Group& group, const Run& run) {
  const Run& first = *group.runs.front();
  if (run.identity_without_seed.empty() || run.identity_without_seed != first.identity_without_seed) return false;
  if (run.steps != first.steps || run.state != first.state || !run.seed) return false;
  return std::none_of(group.runs.begin(), group.runs.end(), [&run](const Run* other) { return other->seed == run.seed; });
}

/// What tells a group from the others of its method: nothing where it is alone, else the name, the part of the data, or the first run's folder.
std::string mark(const Group& group, const std::vector<Group>& groups) {
  const Run& first = *group.runs.front();
  const auto shared_by = [&](const auto& of) {
    return std::count_if(groups.begin(), groups.end(), [&](const Group& other) { return other.runs.front()->method == first.method && of(*other.runs.front()) == of(first); });
  };
  if (shared_by([](const Run&) { return 0; }) == 1) return "";
  if (shared_by([](const Run& run) { return run.name; }) == 1) return " (" + first.name + ")";
  if (first.config.data_fraction && shared_by([](const Run& run) { return run.config.data_fraction; }) == 1) {
    char percent[32];
    std::snprintf(percent, sizeof percent, " (%.4g %% of the data)", 100 * *first.config.data_fraction);
    return percent;
  }
  if (first.epochs && shared_by([](const Run& run) { return run.epochs; }) == 1) return " (" + std::to_string(*first.epochs) + " epochs)";
  return " (" + first.shown_folder + ")";
}

}  // namespace

Spread Group::spread(const std::function<double(const Run&)>& figure) const {
  std::vector<double> values;
  for (const Run* run : runs) values.push_back(figure(*run));
  return spread_of(values);
}

std::vector<Group> group_by_seed(const std::vector<Run>& runs) {
  std::vector<Group> groups;
  for (const Run& run : runs) {
    const auto found = std::find_if(groups.begin(), groups.end(), [&run](const Group& group) { return belongs(group, run); });
    if (found == groups.end())
      groups.push_back({run.label, {&run}});
    else
      found->runs.push_back(&run);
  }
  for (Group& group : groups) {
    if (group.runs.size() < 2) continue;
    const Run& first = *group.runs.front();
    group.label = first.method + mark(group, groups) + ", " + std::to_string(group.runs.size()) + " seeds";
  }
  return groups;
}

}  // namespace liere::report
