#include "report/differences.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "report/html.h"

namespace liere::report {
namespace {

std::string signed_text(double value) {
  const std::string text = format_number(value, 2);
  return text.starts_with("-") ? minus_signed(text) : "+" + text;
}

std::string p_text(double p) {
  char buffer[32];
  if (p < 1e-10) return "< 1e-10";
  std::snprintf(buffer, sizeof buffer, p < 0.001 ? "%.0e" : "%.3f", p);
  return buffer;
}

void add_notes(const std::vector<Comparison>& comparisons, Table& table) {
  const auto any = [&comparisons](const auto& holds) { return std::any_of(comparisons.begin(), comparisons.end(), holds); };
  table.notes.push_back("Difference: second minus first, points of top-1 at the end of training, mean over the seeds that both have.");
  std::set<std::pair<int64_t, double>> trainings;
  for (const Comparison& c : comparisons) trainings.insert({c.first->runs.front()->epochs.value_or(0), c.first->runs.front()->config.data_fraction.value_or(1)});
  if (trainings.size() > 1) table.notes.push_back("Methods are compared where epochs and share of the data are equal.");
  std::string over;
  if (any([](const Comparison& c) { return c.over == "seeds and samples"; })) over = "several seeds: over seeds and the same test samples";
  if (any([](const Comparison& c) { return c.over == "seeds"; }))
    over += std::string(over.empty() ? "" : "; ") + "without samples.csv of both: over seeds alone (Student's t)";
  if (any([](const Comparison& c) { return c.over == "samples"; }))
    over += std::string(over.empty() ? "" : "; ") + "one seed: over test samples alone";
  if (!over.empty()) table.notes.push_back("95 % intervals, " + over + ".");
  if (any([](const Comparison& c) { return c.seeds.size() == 1; }))
    table.notes.push_back(
        "One seed: two runs, not two methods. Interval and McNemar's p say whether these two trained models differ on such samples; another seed may "
        "turn the difference around.");
  std::set<size_t> seeds;
  for (const Comparison& comparison : comparisons)
    if (comparison.flips) seeds.insert(comparison.seeds.size());
  if (seeds.empty()) return;
  std::string smallest;
  for (const Comparison& comparison : comparisons)
    if (comparison.flips && seeds.erase(comparison.seeds.size()))
      smallest +=
          (smallest.empty() ? "" : ", ") + p_text(comparison.flips->smallest_p) + " with " + std::to_string(comparison.seeds.size()) + " seeds";
  const auto tests = std::count_if(comparisons.begin(), comparisons.end(), [](const Comparison& c) { return c.flips.has_value(); });
  table.notes.push_back("p: two-sided sign-flip test over seeds, all sign patterns counted. It cannot fall below " + smallest +
                        ": a p above 0.05 there is no evidence of equality.");
  table.notes.push_back("Holm: corrected for the " + std::to_string(tests) + (tests == 1 ? " test" : " tests") +
                        " of this table (of each dataset by itself).");
}

}  // namespace

std::string conclusion(const Comparison& comparison) {
  if (comparison.seeds.size() == 1) return "two runs, not two methods";
  if (!comparison.flips) return "two seeds: too few for a test";
  if (*comparison.p_holm <= 0.05) return "a difference (p \u2264 0.05, Holm)";
  return comparison.flips->smallest_p > 0.05 ? "not shown: " + std::to_string(comparison.seeds.size()) + " seeds cannot show it" : "not shown";
}

Table differences_table(const std::vector<Comparison>& comparisons) {
  Table table;
  table.title = "Differences between methods";
  table.text_columns = 2;
  table.text_columns_at_end = 1;
  table.header = {
      {"first"},     {"second"}, {"seeds"}, {"difference", "[95 % interval]"}, {"p,", "sign flips"}, {"p,", "Holm"}, {"p of two runs,", "McNemar"},
      {"conclusion"}};
  if (comparisons.empty()) return table;
  std::vector<Whisker> whiskers;
  for (const Comparison& comparison : comparisons) {
    std::string difference = signed_text(comparison.difference);
    if (comparison.interval)
      difference +=
          " [" + minus_signed(format_number(comparison.interval->low, 2)) + ", " + minus_signed(format_number(comparison.interval->high, 2)) + "]";
    table.rows.push_back({comparison.first->label, comparison.second->label, std::to_string(comparison.seeds.size()), difference,
                          comparison.flips ? p_text(comparison.flips->p) : "-", comparison.p_holm ? p_text(*comparison.p_holm) : "-",
                          comparison.mcnemar ? p_text(comparison.mcnemar->p) : "-", conclusion(comparison)});
    Whisker whisker{.value = comparison.difference, .color = "var(--ink)", .title = difference};
    if (comparison.interval) whisker.low = comparison.interval->low, whisker.high = comparison.interval->high;
    whiskers.push_back(whisker);
  }
  std::vector<Whisker> all = whiskers;
  all.push_back({.value = 0, .color = "", .title = ""});
  const auto axis = axis_of(all);
  for (const Whisker& whisker : whiskers) table.pictures.push_back(whiskers_svg({whisker}, axis, 0));
  table.picture_title = "difference and 0";
  table.picture_column = 4;
  for (size_t column = table.header.size(); column-- > 0;) {  // tests that no row has
    if (!std::all_of(table.rows.begin(), table.rows.end(), [column](const auto& row) { return row[column] == "-"; })) continue;
    table.header.erase(table.header.begin() + static_cast<std::ptrdiff_t>(column));
    for (auto& row : table.rows) row.erase(row.begin() + static_cast<std::ptrdiff_t>(column));
  }
  add_notes(comparisons, table);
  return table;
}

}  // namespace liere::report
