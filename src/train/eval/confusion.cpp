#include "train/eval/confusion.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "train/eval/tests.h"
#include "train/eval/text.h"

namespace liere {
namespace {

constexpr size_t kNamedClasses = 24, kCountedClasses = 12;  // of a picture: with class names at the axes, with counts in the cells

int64_t sum(const std::vector<int64_t>& counts) { return std::accumulate(counts.begin(), counts.end(), int64_t{0}); }

std::string tics(const std::string& axis, const std::vector<std::string>& names, const std::string& options) {
  std::string list;
  const size_t step = names.size() <= kNamedClasses ? 1 : (names.size() + 9) / 10;
  for (size_t i = 0; i < names.size(); i += step)
    list += (i ? ", " : "") + gnuplot_string(names.size() <= kNamedClasses ? names[i] : std::to_string(i)) + " " + std::to_string(i);
  return "set " + axis + "tics (" + list + ") " + options + "\n";
}

PlotScript heat_map(const ConfusionCounts& counts, const std::vector<std::string>& names) {
  PlotScript plot{"confusion", "# predicted\tlabel\tpercent of the label's samples\tsamples\n", ""};
  for (size_t label = 0; label < counts.size(); ++label) {
    const double of = static_cast<double>(std::max<int64_t>(1, sum(counts[label])));
    for (size_t predicted = 0; predicted < counts.size(); ++predicted)
      plot.data += std::to_string(predicted) + "\t" + std::to_string(label) + "\t" + csv_number(100.0 * static_cast<double>(counts[label][predicted]) / of) + "\t" +
                   std::to_string(counts[label][predicted]) + "\n";
  }
  const std::string last = std::to_string(counts.size()) + "-0.5";
  plot.script =
      "set encoding utf8\nset terminal pngcairo noenhanced size 1100,1000 background '#ffffff' font 'Sans,14'\n"
      "set output (exists('picture') ? picture : 'confusion.png')\nset datafile separator '\\t'\nunset key\n"
      "set title 'Confusion matrix: percent of each class' font ',18'\nset border linecolor '#888888'\n"
      "set xlabel 'predicted class'\nset ylabel 'true class'\nset size ratio 1\n"
      "set xrange [-0.5:" + last + "]\nset yrange [" + last + ":-0.5]\nset cbrange [0:100]\nset cblabel 'percent of the true class'\n"
      // White to dark blue, even in lightness; small shares, which are the errors, get a visible tint.
      "set palette defined (0 '#ffffff', 2 '#e3edf7', 10 '#b5cfe8', 30 '#6aa5d3', 60 '#2870b1', 100 '#08306b')\n";
  plot.script += tics("x", names, names.size() <= kNamedClasses ? (names.size() <= kCountedClasses / 2 ? "out nomirror" : "out nomirror rotate by 45 right") : "out nomirror") + tics("y", names, "out nomirror");
  plot.script += "plot 'confusion.tsv' using 1:2:3 with image";
  if (counts.size() <= kCountedClasses)
    plot.script += ", '' using 1:2:($4 > 0 ? sprintf('%d', int($4)) : ''):($3 > 45 ? 0xffffff : 0x222222) with labels textcolor rgb variable";
  plot.script += "\n";
  return plot;
}

}  // namespace

ConfusionCounts confusion_counts(std::span<const Row> rows, size_t classes) {
  ConfusionCounts counts(classes, std::vector<int64_t>(classes, 0));
  for (const Row& row : rows) {
    for (const int64_t index : {row.label, row.top[0]})
      if (index < 0 || index >= static_cast<int64_t>(classes))
        throw DataError("sample " + std::to_string(row.sample) + ": " + std::to_string(index) + " is not one of " + std::to_string(classes) + " classes.");
    counts[static_cast<size_t>(row.label)][static_cast<size_t>(row.top[0])] += 1;
  }
  return counts;
}

std::vector<ConfusedPair> confused_pairs(const ConfusionCounts& counts) {
  std::vector<ConfusedPair> pairs;
  for (size_t label = 0; label < counts.size(); ++label)
    for (size_t predicted = 0; predicted < counts.size(); ++predicted)
      if (label != predicted && counts[label][predicted] > 0)
        pairs.push_back({static_cast<int64_t>(label), static_cast<int64_t>(predicted), counts[label][predicted], sum(counts[label])});
  std::stable_sort(pairs.begin(), pairs.end(), [](const ConfusedPair& a, const ConfusedPair& b) { return a.count > b.count; });
  return pairs;
}

TestOutput confusion_test(const Predictions& predictions) {
  if (predictions.multi_label) throw ConfigError("--test confusion takes one class for another, but these samples have several labels each. Use --test detection.");
  constexpr size_t kPairs = 50;
  const auto& names = predictions.class_names;
  const auto counts = confusion_counts(predictions.of_samples(), names.size());
  std::string csv = "label \\ predicted";
  for (const auto& name : names) csv += "," + csv_field(name);
  csv += "\n";
  for (size_t label = 0; label < counts.size(); ++label) {
    csv += csv_field(names[label]);
    for (const int64_t count : counts[label]) csv += "," + std::to_string(count);
    csv += "\n";
  }
  const auto pairs = confused_pairs(counts);
  int64_t errors = 0;
  auto list = nlohmann::json::array();
  for (const auto& pair : pairs) {
    errors += pair.count;
    if (list.size() < kPairs)
      list.push_back({{"label", pair.label}, {"label_name", names[static_cast<size_t>(pair.label)]}, {"predicted", pair.predicted},
                      {"predicted_name", names[static_cast<size_t>(pair.predicted)]}, {"count", pair.count}, {"of", pair.of}});
  }
  return {{{"classes", names.size()}, {"errors", errors}, {"pairs", list}}, {{"confusion.csv", csv}}, {heat_map(counts, names)}};
}

std::string describe_confusion(const nlohmann::json& result) {
  constexpr size_t kShown = 10;
  const auto& pairs = result.at("pairs");
  std::vector<std::vector<std::string>> rows = {{"true class", "taken for", "samples", "of the class %"}};
  for (size_t i = 0; i < std::min(kShown, pairs.size()); ++i) {
    const auto& pair = pairs[i];
    rows.push_back({pair.at("label_name").get<std::string>(), pair.at("predicted_name").get<std::string>(), std::to_string(pair.at("count").get<int64_t>()),
                    fixed_text(100 * number_in(pair, "count") / number_in(pair, "of"), 1)});
  }
  return "  " + std::to_string(result.at("errors").get<int64_t>()) + " samples were taken for another class" + (pairs.empty() ? ".\n" : "; most often:\n" + aligned_text(rows, 2));
}

}  // namespace liere
