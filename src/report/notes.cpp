#include "report/notes.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "core/log.h"
#include "report/groups.h"
#include "report/sizes.h"
#include "report/statistics.h"
#include "report/table.h"

namespace liere::report {
namespace {

std::string number_word(size_t n) {
  static const char* words[] = {"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};
  return n <= 10 ? words[n] : std::to_string(n);
}

std::string joined(const std::vector<std::string>& parts, const std::string& separator = ", ") {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : separator) + part;
  return text;
}

/// "Test images: 2,000 (top-1, shuffled, 60x60); 500 to 1,000 (84x84)." Empty when nothing was counted.
std::string sample_counts(const std::vector<Run>& runs) {
  std::vector<std::pair<std::string, std::set<int64_t>>> columns = {{"top-1", {}}, {"shuffled", {}}};
  const auto add = [](std::set<int64_t>& counts, const Accuracy& accuracy) {
    if (accuracy.samples) counts.insert(*accuracy.samples);
  };
  for (const Run& run : runs) {
    add(columns[0].second, run.accuracy());
    if (run.shuffle_test) add(columns[1].second, run.shuffle_test->after);
  }
  for (const Size& size : evaluated_sizes(runs)) {
    columns.push_back({size_text(size), {}});
    for (const Run& run : runs)
      for (const Manner& manner : manners(run))
        if (const ResolutionResult* result = find_result(run, size, manner)) add(columns.back().second, result->accuracy);
  }
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const auto& [name, counts] : columns) {
    if (counts.empty()) continue;
    const std::string count =
        counts.size() == 1 ? format_count(*counts.begin()) : format_count(*counts.begin()) + " to " + format_count(*counts.rbegin());
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group.first == count; });
    if (same == groups.end())
      groups.push_back({count, {name}});
    else
      same->second.push_back(name);
  }
  std::vector<std::string> parts;
  for (const auto& [count, names] : groups) parts.push_back(count + " (" + joined(names) + ")");
  return parts.empty() ? "" : "Test images per figure: " + joined(parts, "; ") + ".";
}

/// The first of many, and how many more.
std::string few(const std::vector<std::string>& labels) {
  constexpr size_t kMost = 4;
  if (labels.size() <= kMost + 1) return joined(labels);
  return joined({labels.begin(), labels.begin() + kMost}) + " and " + std::to_string(labels.size() - kMost) + " more runs";
}

/// The tests of liere-eval that some runs lack, each with the command that makes it.
void add_missing(const std::vector<Run>& runs, const std::string& test, const std::function<bool(const Run&)>& has, std::vector<std::string>& notes) {
  std::vector<const Run*> without;
  for (const Run& run : runs)
    if (!has(run)) without.push_back(&run);
  if (without.empty()) return;
  std::string note = "Not evaluated (-): " + test + (without.size() == runs.size() && runs.size() > 1 ? " of all runs" : "");
  if (without.size() < runs.size() || runs.size() == 1) {
    std::vector<std::string> labels;
    for (const Run* run : without) labels.push_back(run->label);
    note += " of " + few(labels);
  }
  note += ". Make it with: liere-eval --checkpoint " + shell_word(without[0]->shown_folder) + " --test " + test;
  notes.push_back(note + (without.size() > 1 ? " (and so for each)" : ""));
}

/// "Wilson", "bootstrap", or both with the labels of the runs.
std::string interval_kinds(const std::vector<Run>& runs) {
  std::vector<std::string> wilson, bootstrap;
  for (const Run& run : runs)
    if (accuracy_interval(run.accuracy())) (run.accuracy().bootstrap ? bootstrap : wilson).push_back(run.label);
  if (bootstrap.empty()) return "Wilson";
  if (wilson.empty()) return "bootstrap";
  return "bootstrap: " + few(bootstrap) + "; Wilson: " + few(wilson);
}

std::string best_note(const std::vector<Run>& runs) {
  const bool on_test = std::any_of(runs.begin(), runs.end(), [](const Run& run) { return run.best.mark() == "selected on test"; });
  return on_test ? "Best: the highest evaluation during training. Selected on test, it was chosen by the images it is measured on and is too high: compare by the "
                   "column before it."
                 : "";
}

/// What a reader would otherwise take from the table and must not.
void add_cautions(const std::vector<Run>& runs, std::vector<std::string>& notes) {
  std::map<std::string, int> seeds_of;
  for (const Run& run : runs) ++seeds_of[run.identity_without_seed.empty() ? run.label : run.identity_without_seed];
  const bool one_seed_each = std::all_of(seeds_of.begin(), seeds_of.end(), [](const auto& entry) { return entry.second == 1; });
  if (group_by_seed(runs).size() < runs.size())
    notes.push_back("a ± s: mean and sample standard deviation over the seeds of the row, which differ in nothing else; images/s and images seen: means.");
  if (runs.size() > 1 && one_seed_each) {
    std::string word = number_word(runs.size());
    std::string capital = word;
    capital[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(capital[0])));
    notes.push_back(capital + " runs, not " + word + " methods: one seed each, so differences between the rows include the chance of the seed.");
  }
  for (const Run& run : runs) {
    if (run.state != "done")
      notes.push_back("* " + run.label + ": " + (run.diverged ? "diverged" : run.state == "stopped" ? "stopped early" : "not finished") + "; figures after " +
                      (run.samples_seen ? format_count(*run.samples_seen) : "an unknown number of") + " training images.");
    if (run.accuracy_test && !run.tests_the_end())
      notes.push_back(run.label + ": eval/accuracy is of the checkpoint at step " + format_count(*run.accuracy_test->step) + " of " +
                      format_count(*run.steps) + "; the table has the end of training.");
    if (run.final_split != "test" && !run.tests_the_end())
      notes.push_back(run.label + ": top-1 is measured on the " + run.final_split + ", not on the test set.");
    if (run.tests_the_end() && run.accuracy_test->weights != "raw")
      notes.push_back(run.label + ": top-1 is of the " + run.accuracy_test->weights + " weights.");
    if (run.unreadable_lines > 0)
      notes.push_back(run.label + ": " + format_count(run.unreadable_lines) + " unreadable lines of metrics.jsonl were left out.");
  }
}

}  // namespace

std::string table_title(const std::vector<Run>& runs) {
  std::set<std::string> datasets;
  for (const Run& run : runs)
    if (!run.dataset.empty()) datasets.insert(run.dataset);
  const std::string names = datasets.empty() ? "unknown dataset" : joined({datasets.begin(), datasets.end()});
  return names + ", " + number_word(runs.size()) + (runs.size() == 1 ? " run" : " runs") +
         (datasets.size() > 1 ? ": the datasets differ, compare with care" : "");
}

std::vector<std::string> table_notes(const std::vector<Run>& runs, double reach_percent) {
  std::vector<std::string> notes;
  if (const std::string counts = sample_counts(runs); !counts.empty()) notes.push_back(counts);
  notes.push_back("Top-1 is that of the end of training; the 95 % interval (" + interval_kinds(runs) + ") is over the test images alone, not over seeds.");
  if (const std::string best = best_note(runs); !best.empty()) notes.push_back(best);
  add_cautions(runs, notes);
  std::set<int64_t> seeds;
  for (const Run& run : runs)
    if (run.shuffle_test && run.shuffle_test->seeds > 0) seeds.insert(run.shuffle_test->seeds);
  if (!seeds.empty()) {
    const std::string count = seeds.size() == 1 ? number_word(*seeds.begin()) : number_word(*seeds.begin()) + " to " + number_word(*seeds.rbegin());
    notes.push_back("Shuffled: the patches of each test image in random order, mean over " + count + " shuffling seed" +
                    (seeds.size() == 1 && *seeds.begin() == 1 ? "" : "s") + "; relative drop = (before - after) / before.");
  }
  if (const std::string words = main_manners_in_words(runs); !words.empty()) notes.push_back("Sizes: " + words + ".");
  notes.push_back("Images seen: training images up to the first evaluation with a top-1 of " + format_number(reach_percent, 0) +
                  " % or more; - where none had it.");
  add_missing(
      runs, "accuracy", [](const Run& run) { return run.accuracy().samples.has_value() && !std::isnan(run.accuracy().top1); }, notes);
  add_missing(
      runs, "shuffle", [](const Run& run) { return run.shuffle_test.has_value(); }, notes);
  add_missing(
      runs, "resolution", [](const Run& run) { return !run.resolution_test.empty(); }, notes);
  return notes;
}

}  // namespace liere::report
