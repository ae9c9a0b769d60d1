#include "train/eval/scores.h"

#include <cmath>
#include <numeric>

namespace liere {
namespace {

double mean(const std::vector<double>& values) { return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()); }

}  // namespace

Outcomes outcomes_of(std::span<const Row> rows) {
  Outcomes outcomes;
  for (size_t begin = 0, end; begin < rows.size(); begin = end) {
    double top1 = 0, top5 = 0, loss = 0;
    for (end = begin; end < rows.size() && rows[end].sample == rows[begin].sample; ++end) {
      top1 += rows[end].correct1() ? 100 : 0;
      top5 += rows[end].correct5() ? 100 : 0;
      loss += rows[end].loss;
    }
    const auto views = static_cast<double>(end - begin);
    outcomes.top1.push_back(top1 / views);
    outcomes.top5.push_back(top5 / views);
    outcomes.loss.push_back(loss / views);
  }
  return outcomes;
}

Outcomes mean_of(const std::vector<Outcomes>& repetitions) {
  Outcomes result = repetitions.at(0);
  for (const auto column : {&Outcomes::top1, &Outcomes::top5, &Outcomes::loss})
    for (size_t row = 0; row < (result.*column).size(); ++row) {
      double sum = 0;
      for (const auto& repetition : repetitions) sum += (repetition.*column).at(row);
      (result.*column)[row] = sum / static_cast<double>(repetitions.size());
    }
  return result;
}

nlohmann::json scores(const Outcomes& outcomes, int64_t resamples) {
  nlohmann::json object = {{"top1", mean(outcomes.top1)}, {"top5", mean(outcomes.top5)}, {"loss", mean(outcomes.loss)}};
  if (resamples == 0) return object;
  const auto means = bootstrap_means({outcomes.top1, outcomes.top5, outcomes.loss}, resamples, kBootstrapSeed);
  const char* keys[] = {"top1", "top5", "loss"};
  for (size_t i = 0; i < means.size(); ++i) object[std::string(keys[i]) + "_interval"] = interval_json(percentile_interval(means[i]));
  return object;
}

nlohmann::json relative_drop(const Outcomes& before, const Outcomes& after, int64_t resamples) {
  const auto drop = [](double from, double to) { return from > 0 ? 100 * (from - to) / from : 0.0; };
  auto means = bootstrap_means({before.top1, after.top1}, resamples, kBootstrapSeed);
  for (size_t i = 0; i < means[0].size(); ++i) means[0][i] = drop(means[0][i], means[1][i]);
  return {{"relative_drop", drop(mean(before.top1), mean(after.top1))}, {"relative_drop_interval", interval_json(percentile_interval(means[0]))}};
}

nlohmann::json interval_json(const Interval& interval) {
  if (!std::isfinite(interval.low) || !std::isfinite(interval.high)) return nullptr;
  return {interval.low, interval.high};
}

nlohmann::json bootstrap_statement(int64_t resamples) { return {{"resamples", resamples}, {"seed", kBootstrapSeed}, {"method", "percentile, 95 %"}}; }

}  // namespace liere
