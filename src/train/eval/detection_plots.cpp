#include "train/eval/detection_plots.h"

#include "train/eval/calibration.h"
#include "train/eval/text.h"

namespace liere {
namespace {

// Okabe and Ito's colours, which people with colour-blindness tell apart; then again, dashed.
constexpr const char* kColors[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};

std::string color(size_t i) { return std::string("linecolor '") + kColors[i % std::size(kColors)] + "'" + (i >= std::size(kColors) ? " dashtype 2" : ""); }

std::string opening(const std::string& name, int width, int height) {
  return "set encoding utf8\nset terminal pngcairo noenhanced size " + std::to_string(width) + "," + std::to_string(height) +
         " background '#ffffff' font 'Sans,14'\nset output (exists('picture') ? picture : '" + name +
         ".png')\nset datafile separator '\\t'\nset datafile missing 'nan'\nset border 3 linecolor '#888888'\nset tics nomirror textcolor '#444444'\nset xrange [0:1]\n";
}

/// gnuplot's index counts blocks, which two empty lines separate.
constexpr const char* kNextBlock = "\n\n";

}  // namespace

PlotScript roc_plot(const std::vector<Finding>& findings) {
  PlotScript plot{"roc", "# false positive rate\tsensitivity\tthreshold\n", ""};
  std::string curves, points;
  for (size_t i = 0; i < findings.size(); ++i) {
    const auto& f = findings[i];
    const auto roc = f.test.roc();
    for (const auto& point : roc) plot.data += csv_number(point.false_positive_rate) + "\t" + csv_number(point.sensitivity) + "\t" + csv_number(point.threshold) + "\n";
    if (roc.empty()) plot.data += "nan\tnan\tnan\n";
    plot.data += kNextBlock;
    curves += ", 'roc.tsv' index " + std::to_string(i) + " using 1:2 with lines linewidth 2.5 " + color(i) + " title " + gnuplot_string(f.name + ": AUROC " + fixed_text(f.test.auroc(), 3));
  }
  for (size_t i = 0; i < findings.size(); ++i) {
    const auto& f = findings[i];
    const bool marked = f.threshold && !f.test.roc().empty();
    if (marked) {
      const auto counts = f.test.at(*f.threshold);
      plot.data += csv_number(1 - counts.specificity()) + "\t" + csv_number(counts.sensitivity()) + "\t" + csv_number(*f.threshold) + "\n";
    } else {
      plot.data += "nan\tnan\tnan\n";
    }
    plot.data += kNextBlock;
    if (marked)
      points += ", 'roc.tsv' index " + std::to_string(findings.size() + i) + " using 1:2 with points pointtype 7 pointsize 1.8 " + color(i) +
                (points.empty() ? " title 'at the threshold of the validation part'" : " notitle");
  }
  plot.script = opening("roc", 900, 900) +
                "set size ratio 1\nset yrange [0:1]\nset title 'Receiver operating characteristic on the test part' font ',18'\n"
                "set xlabel 'false positive rate (1 - specificity)'\nset ylabel 'sensitivity'\nset key bottom right Left reverse samplen 2\n"
                "plot x with lines linecolor '#888888' dashtype (8,6) title 'chance'" + curves + points + "\n";
  return plot;
}

PlotScript finding_reliability_plot(const std::vector<Finding>& findings) {
  PlotScript plot{"reliability", "# middle of the bin\tmean probability\tshare of positives\tshare of the samples\tsamples\n", ""};
  std::string curves, counts;
  for (size_t i = 0; i < findings.size(); ++i) {
    const auto& f = findings[i];
    for (const auto& bin : f.test.reliability(kCalibrationBins)) {
      const bool empty = bin.weight == 0;
      plot.data += csv_number((bin.low + bin.high) / 2) + "\t" + (empty ? "nan" : csv_number(bin.score)) + "\t" + (empty ? "nan" : csv_number(bin.positives)) + "\t" +
                   csv_number(bin.weight / static_cast<double>(f.test.size())) + "\t" + csv_number(bin.weight) + "\n";
    }
    plot.data += kNextBlock;
    const std::string block = ", 'reliability.tsv' index " + std::to_string(i) + " using ";
    curves += block + "2:3 with linespoints pointtype 7 pointsize 1.2 linewidth 2 " + color(i) + " title " +
              gnuplot_string(f.name + ": ECE " + fixed_text(100 * f.test.calibration_error(kCalibrationBins), 2) + " %, Brier " + fixed_text(f.test.brier(), 4));
    counts += (counts.empty() ? "" : ", ") + block.substr(2) + "1:(100*$4) with histeps linewidth 2 " + color(i);
  }
  plot.script = opening("reliability", 900, 1000) +
                "set lmargin at screen 0.11\nset rmargin at screen 0.96\nset multiplot title 'Reliability of the probability of a finding' font ',18'\n"
                "set tmargin at screen 0.92\nset bmargin at screen 0.34\nset yrange [0:1]\nset ylabel 'share of positives'\nset key top left Left reverse samplen 2\n"
                "plot x with lines linecolor '#888888' dashtype (8,6) title 'perfectly calibrated'" + curves +
                "\nunset key\nset tmargin at screen 0.27\nset bmargin at screen 0.08\nset yrange [0:*]\nset xtics 0.2\nset xlabel 'probability'\nset ylabel 'samples, %'\nset ytics auto\n"
                "plot " + counts + "\nunset multiplot\n";
  return plot;
}

}  // namespace liere
