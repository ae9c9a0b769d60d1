// What a picture shows, before anything is drawn: curves with labels at their ends, an optional level of guessing, titles with units.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/run.h"

namespace liere::report {

struct Point {
  double x, y;
  double low, high;  // error bar; both = y where there is none
};

struct Curve {
  std::string label;
  std::vector<Point> points;  // by x; never empty
  int color = 0;              // of its method (report/palette.h)
  int dash = 0;               // curves of one method are told apart by their dashes
  bool band = false;          // fill between low and high: the range over seeds
  std::vector<std::pair<double, double>> dots = {};  // every seed by itself
  std::optional<double> drop = {};                   // a thin line from the axis up to y_marker: where the curve reaches it
  std::string remark = {};                           // behind the label, in place of the last value
};

struct Chart {
  std::string name;  // file name without extension
  std::string x_format = "%.0s%c";  // gnuplot's, of the numbers along x: 12 k
  std::string title, subtitle, x_title, y_title;
  std::vector<Curve> curves;
  std::optional<double> chance;                            // in percent
  std::vector<std::pair<double, std::string>> x_ticks;     // empty: chosen by the drawing program
  std::optional<std::pair<double, std::string>> x_marker;  // a thin vertical line with its name
  std::optional<std::pair<double, std::string>> y_marker = {};
  std::string caption;                                     // what a reader should know, in small print beneath
  bool error_bars = false;
  bool log_y = false;  // y > 0, and no longer in percent
};

/// Test (or holdout) accuracy over training images seen: one curve per run with at least one evaluation; of runs that differ in their seed alone the
/// mean where all were evaluated, within a band from the lowest to the highest.
Chart learning_curves(const std::vector<Run>& runs);

/// Test accuracy over the side of the input, one curve per run in the manner to compare runs by (report/sizes.h); error bars are 95 %
/// intervals of single runs and the range over seeds of groups. The side of a picture that is not square is the square root of its area.
Chart accuracy_over_size(const std::vector<Run>& runs);

/// Test (or holdout) accuracy over epochs, with the level of the absolute encoding's end and, per curve, the epochs of the first evaluation that reaches it and
/// how many times fewer these are; no curves without finished runs of it, or where runs have no whole epoch.
Chart epochs_to_reach_absolute(const std::vector<Run>& runs);

/// Top-1 at the end of training over block sizes, and over the part of the training data: one curve per kind of encoding (method), every seed a dot; no
/// curves where no method has two values. Runs that went other numbers of epochs are curves of their own.
Chart accuracy_over_block_size(const std::vector<Run>& runs);
Chart accuracy_over_data(const std::vector<Run>& runs);
/// The same over the epochs trained: of runs that differ in these.
Chart accuracy_over_epochs(const std::vector<Run>& runs);

/// All of them in the order of a report; of some the curves are empty.
std::vector<Chart> all_charts(const std::vector<Run>& runs);

/// max |R^T R - I| over training images seen, where the events hold it; bands as above. Of a long run the largest of neighbouring values.
Chart orthogonality_curves(const std::vector<Run>& runs);

/// The gradient's norm before clipping over training images seen, in the same way.
Chart gradient_norm_curves(const std::vector<Run>& runs);

/// Heights for labels wanted at `wanted` (ascending), at least `gap` apart and within [low, high] where they fit: least squares.
std::vector<double> spread(std::vector<double> wanted, double gap, double low, double high);

}  // namespace liere::report
