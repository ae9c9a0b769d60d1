#include "report/estimates.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "report/statistics.h"
#include "report/table.h"

namespace liere::report {
namespace {

constexpr int64_t kResamples = 1000;
constexpr uint64_t kSeed = 0;
constexpr size_t kSeedsForATest = 3;

Interval within_percent(Interval interval) { return {std::clamp(interval.low, 0.0, 100.0), std::clamp(interval.high, 0.0, 100.0)}; }

const Run* run_with_seed(const Group& group, int64_t seed) {
  for (const Run* run : group.runs)
    if (run->seed == seed) return run;
  return nullptr;
}

bool is_comparable(const Group& group) {
  const Run& first = *group.runs.front();
  return first.state == "done" && std::isfinite(group.spread([](const Run& run) { return run.accuracy().top1; }).mean);
}

McNemarResult mcnemar_of(const Outcomes& first, const Outcomes& second) {
  int64_t only_first = 0, only_second = 0;
  for (size_t i = 0; i < first.top1.size(); ++i) {
    only_first += first.top1[i] > second.top1[i];
    only_second += first.top1[i] < second.top1[i];
  }
  return mcnemar(only_first, only_second);
}

bool is_single_view(const Outcomes& outcomes) {
  return std::all_of(outcomes.top1.begin(), outcomes.top1.end(), [](double value) { return value == 0 || value == 100; });
}

}  // namespace

Estimates::Estimates(const std::vector<Run>& runs) {
  std::vector<std::vector<const Run*>> test_sets;
  for (const Run& run : runs) {
    if (!run.accuracy_test || !run.tests_the_end()) continue;
    auto outcomes = read_outcomes(run.folder / "eval" / "accuracy" / "samples.csv");
    if (!outcomes) continue;
    if (std::abs(outcomes->mean() - run.accuracy().top1) > 0.005) {
      notes_.push_back(run.label + ": eval/accuracy/samples.csv has a top-1 of " + format_number(outcomes->mean(), 2) + " %, eval.json " +
                       format_number(run.accuracy().top1, 2) + " %; the samples were left out.");
      continue;
    }
    const auto same =
        std::find_if(test_sets.begin(), test_sets.end(), [&](const auto& set) { return known_.at(set.front()).outcomes.same_samples(*outcomes); });
    const size_t index = static_cast<size_t>(same - test_sets.begin());
    if (same == test_sets.end()) test_sets.emplace_back();
    test_sets[index].push_back(&run);
    known_[&run] = {std::move(*outcomes), index, {}};
  }
  for (const auto& set : test_sets) {
    std::vector<std::span<const double>> columns;
    for (const Run* run : set) columns.push_back(known_.at(run).outcomes.top1);
    auto means = bootstrap_means(columns, kResamples, kSeed);
    for (size_t i = 0; i < set.size(); ++i) known_.at(set[i]).resampled = std::move(means[i]);
  }
}

std::vector<const Estimates::Known*> Estimates::known(const std::vector<const Run*>& runs) const {
  std::vector<const Known*> all;
  for (const Run* run : runs) {
    const auto found = known_.find(run);
    if (found == known_.end() || (!all.empty() && found->second.test_set != all.front()->test_set)) return {};
    all.push_back(&found->second);
  }
  return all;
}

Estimate Estimates::top1(const Group& group) const {
  Estimate estimate = of(
      group, [](const Run& run) { return run.accuracy().top1; }, [](const Run& run) { return accuracy_interval(run.accuracy()); }, true);
  const auto of_runs = known(group.runs);
  if (group.runs.size() < 2 || of_runs.empty()) return estimate;
  std::vector<std::span<const double>> resampled;
  std::vector<double> means;
  for (const Known* one : of_runs) {
    resampled.push_back(one->resampled);
    means.push_back(one->outcomes.mean());
  }
  estimate.interval = within_percent(percentile_interval(resample_seeds(resampled, means, kSeed)));
  estimate.over = "seeds and samples";
  return estimate;
}

Estimate Estimates::of(const Group& group, const std::function<double(const Run&)>& figure,
                       const std::function<std::optional<Interval>(const Run&)>& own, bool is_share) {
  std::vector<double> values;
  for (const Run* run : group.runs) values.push_back(figure(*run));
  const Spread spread = spread_of(values);
  if (spread.count < values.size()) return {};
  Estimate estimate{.mean = spread.mean, .seeds = values.size(), .interval = {}, .over = ""};
  if (values.size() > 1) {
    estimate.interval = interval_over_seeds(values);
    estimate.over = "seeds";
  } else {
    estimate.interval = own(*group.runs.front());
    if (estimate.interval) estimate.over = "samples";
  }
  if (is_share && estimate.interval) estimate.interval = within_percent(*estimate.interval);
  return estimate;
}

Comparison Estimates::compare(const Group& first, const Group& second) const {
  Comparison result{.first = &first, .second = &second};
  std::vector<const Run*> runs[2];
  std::vector<double> differences;
  for (const Run* run : first.runs) {
    const Run* other = run->seed ? run_with_seed(second, *run->seed) : nullptr;
    if (!other) continue;
    result.seeds.push_back(*run->seed);
    runs[0].push_back(run);
    runs[1].push_back(other);
    differences.push_back(other->accuracy().top1 - run->accuracy().top1);
  }
  if (differences.empty()) return result;
  result.difference = spread_of(differences).mean;
  if (differences.size() >= kSeedsForATest) result.flips = sign_flip_test(differences);
  const auto a = known(runs[0]), b = known(runs[1]);
  if (!a.empty() && !b.empty() && a.front()->test_set == b.front()->test_set) {
    std::vector<std::vector<double>> resampled;
    for (size_t s = 0; s < a.size(); ++s) {
      resampled.push_back(b[s]->resampled);
      for (size_t r = 0; r < resampled[s].size(); ++r) resampled[s][r] -= a[s]->resampled[r];
    }
    result.interval = percentile_interval(resample_seeds({resampled.begin(), resampled.end()}, differences, kSeed));
    result.over = differences.size() > 1 ? "seeds and samples" : "samples";
    const bool single = is_single_view(a.front()->outcomes) && is_single_view(b.front()->outcomes);
    if (differences.size() == 1 && single) result.mcnemar = mcnemar_of(a.front()->outcomes, b.front()->outcomes);
  } else if (differences.size() > 1) {
    result.interval = interval_over_seeds(differences);
    result.over = "seeds";
  }
  return result;
}

std::vector<Comparison> Estimates::comparisons(const std::vector<Group>& groups, size_t most) const {
  std::vector<Comparison> all;
  using Training = std::pair<int64_t, double>;  // epochs, share of the data
  std::map<std::string, std::map<Training, std::vector<const Group*>>> datasets;
  for (const Group& group : groups) {
    const Run& run = *group.runs.front();
    if (is_comparable(group)) datasets[run.dataset][{run.epochs.value_or(0), run.config.data_fraction.value_or(1)}].push_back(&group);
  }
  for (const auto& [dataset, trainings] : datasets) {
    const auto top = [](const Group* group) { return group->spread([](const Run& run) { return run.accuracy().top1; }).mean; };
    size_t pairs = 0;
    for (const auto& [training, members] : trainings) pairs += members.size() * (members.size() - 1) / 2;
    const size_t begin = all.size();
    for (const auto& [training, members] : trainings) {
      const Group* best = *std::max_element(members.begin(), members.end(), [&top](const Group* a, const Group* b) { return top(a) < top(b); });
      for (size_t i = 0; i < members.size(); ++i)
        for (size_t j = i + 1; j < members.size(); ++j) {
          if (pairs > most && members[i] != best && members[j] != best) continue;
          Comparison comparison = compare(*members[i], *members[j]);
          if (!comparison.seeds.empty()) all.push_back(comparison);
        }
    }
    std::vector<double> p;
    for (size_t k = begin; k < all.size(); ++k)
      if (all[k].flips) p.push_back(all[k].flips->p);
    const std::vector<double> adjusted = holm(p);
    for (size_t k = begin, next = 0; k < all.size(); ++k)
      if (all[k].flips) all[k].p_holm = adjusted[next++];
  }
  return all;
}

}  // namespace liere::report
