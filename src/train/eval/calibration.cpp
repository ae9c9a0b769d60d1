#include "train/eval/calibration.h"

#include <algorithm>
#include <cmath>

#include "train/eval/tests.h"
#include "train/eval/text.h"

namespace liere {
namespace {

PlotScript reliability_diagram(const Calibration& c) {
  PlotScript plot{"reliability", "# middle of the bin\tmean confidence\taccuracy\tshare of the samples\tsamples\n", ""};
  double samples = 0;
  for (const auto& bin : c.bins) samples += static_cast<double>(bin.count);
  for (const auto& bin : c.bins)
    plot.data += csv_number((bin.low + bin.high) / 2) + "\t" + (bin.count ? csv_number(bin.confidence) : "nan") + "\t" + (bin.count ? csv_number(bin.accuracy) : "nan") + "\t" +
                 csv_number(static_cast<double>(bin.count) / samples) + "\t" + std::to_string(bin.count) + "\n";
  plot.script =
      "set encoding utf8\nset terminal pngcairo noenhanced size 900,1000 background '#ffffff' font 'Sans,14'\n"
      "set output (exists('picture') ? picture : 'reliability.png')\nset datafile separator '\\t'\nset datafile missing 'nan'\n"
      "set border 3 linecolor '#888888'\nset tics nomirror textcolor '#444444'\nset xrange [0:1]\nset style fill solid 0.75 border lc '#ffffff'\n"
      "set boxwidth " + csv_number(1.0 / static_cast<double>(c.bins.size())) + "\nset lmargin at screen 0.11\nset rmargin at screen 0.96\n"
      "set multiplot title " + gnuplot_string("Reliability: ECE " + fixed_text(100 * c.ece, 2) + " %, Brier " + fixed_text(c.brier, 4) + ", NLL " + fixed_text(c.nll, 4)) +
      " font ',18'\n"
      "set tmargin at screen 0.92\nset bmargin at screen 0.34\nset yrange [0:1]\nset ylabel 'accuracy'\nset key top left Left reverse samplen 2\n"
      "plot 'reliability.tsv' using 1:3 with boxes linecolor '#0072B2' title 'accuracy of the bin', "
      "x with lines linecolor '#333333' dashtype (8,6) linewidth 2 title 'perfectly calibrated', "
      "'' using 2:3 with points pointtype 7 pointsize 1.2 linecolor '#D55E00' title 'mean confidence of the bin'\n"
      "unset key\nset tmargin at screen 0.27\nset bmargin at screen 0.08\nset yrange [0:*]\nset xtics 0.2\nset xlabel 'confidence'\nset ylabel 'samples, %'\nset ytics auto\n"
      "plot 'reliability.tsv' using 1:(100*$4) with boxes linecolor '#999999'\nunset multiplot\n";
  return plot;
}

}  // namespace

Calibration calibrate(std::span<const Row> rows, int64_t bins) {
  Calibration c;
  const auto count = static_cast<double>(bins);
  for (int64_t b = 0; b < bins; ++b) c.bins.push_back({static_cast<double>(b) / count, static_cast<double>(b + 1) / count});
  for (const Row& row : rows) {
    const double confidence = std::isnan(row.probability[0]) ? 0 : row.probability[0];  // of a model that has diverged
    auto& bin = c.bins[static_cast<size_t>(std::clamp<int64_t>(static_cast<int64_t>(std::ceil(confidence * count)) - 1, 0, bins - 1))];
    bin.count += 1;
    bin.confidence += confidence;
    bin.accuracy += row.correct1();
    c.brier += row.brier;
    c.nll += row.loss;
  }
  const auto n = static_cast<double>(rows.size());
  for (auto& bin : c.bins) {
    if (bin.count == 0) continue;
    c.confidence += bin.confidence / n;
    c.accuracy += bin.accuracy / n;
    bin.confidence /= static_cast<double>(bin.count);
    bin.accuracy /= static_cast<double>(bin.count);
    const double gap = std::abs(bin.accuracy - bin.confidence);
    c.ece += static_cast<double>(bin.count) / n * gap;
    c.mce = std::max(c.mce, gap);
  }
  c.brier /= n;
  c.nll /= n;
  return c;
}

TestOutput calibration_test(const Predictions& predictions) {
  const auto c = calibrate(predictions.of_samples());
  auto bins = nlohmann::json::array();
  for (const auto& bin : c.bins) bins.push_back({{"low", bin.low}, {"high", bin.high}, {"count", bin.count}, {"confidence", bin.confidence}, {"accuracy", bin.accuracy}});
  return {{{"ece", c.ece}, {"mce", c.mce}, {"brier", c.brier}, {"nll", c.nll}, {"mean_confidence", c.confidence}, {"mean_accuracy", c.accuracy}, {"bins", bins}}, {}, {reliability_diagram(c)}};
}

std::string describe_calibration(const nlohmann::json& result) {
  const auto percent = [&result](const char* key) { return fixed_text(100 * number_in(result, key), 2); };
  const std::string overall = aligned_text({{"ECE %", "expected calibration error over " + std::to_string(result.at("bins").size()) + " bins", percent("ece")},
                                            {"MCE %", "largest gap of one bin", percent("mce")},
                                            {"Brier", "0 is best, 2 worst", fixed_text(number_in(result, "brier"), 4)},
                                            {"NLL", "nats", fixed_text(number_in(result, "nll"), 4)},
                                            {"confidence %", "mean", percent("mean_confidence")},
                                            {"accuracy %", "mean", percent("mean_accuracy")}}, 2);
  std::vector<std::vector<std::string>> rows = {{"confidence %", "samples", "mean confidence %", "accuracy %"}};
  for (const auto& bin : result.at("bins"))
    if (bin.at("count").get<int64_t>() > 0)
      rows.push_back({fixed_text(100 * number_in(bin, "low"), 1) + " .. " + fixed_text(100 * number_in(bin, "high"), 1), std::to_string(bin.at("count").get<int64_t>()),
                      fixed_text(100 * number_in(bin, "confidence"), 1), fixed_text(100 * number_in(bin, "accuracy"), 1)});
  return overall + "\n" + aligned_text(rows, 0);
}

}  // namespace liere
