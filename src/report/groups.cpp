#include "report/groups.h"

#include <algorithm>

namespace liere::report {
namespace {

bool belongs(const Group& group, const Run& run) {
  const Run& first = *group.runs.front();
  if (run.identity_without_seed.empty() || run.identity_without_seed != first.identity_without_seed) return false;
  if (run.steps != first.steps || run.state != first.state || !run.seed) return false;
  return std::none_of(group.runs.begin(), group.runs.end(), [&run](const Run* other) { return other->seed == run.seed; });
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
    const auto same_method = [&first](const Group& other) { return other.runs.front()->method == first.method; };
    const bool unique = std::count_if(groups.begin(), groups.end(), same_method) == 1;
    group.label = first.method + (unique ? "" : " (" + first.name + ")") + ", " + std::to_string(group.runs.size()) + " seeds";
  }
  return groups;
}

}  // namespace liere::report
