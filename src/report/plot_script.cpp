// The look of the pictures: white ground, thin grid, labels at the curves' ends in the curves' colours, all of it for gnuplot 5.4's pngcairo.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <utility>

#include "report/gnuplot.h"
#include "report/palette.h"
#include "report/table.h"

namespace liere::report {
namespace {

constexpr int kMarkers[] = {7, 5, 9, 13, 11, 15};
constexpr double kWidth = 1280, kHeight = 800, kFontSize = 15, kLabelGap = 27;
constexpr double kLeft = 0.08, kBottom = 0.135, kTop = 0.86;
constexpr size_t kLongestLabel = 40;

struct Range {
  double low, high;
};

std::string number(double value) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.10g", value);
  return buffer;
}

/// Cuts in the middle: both the encoding in front and the seed at the end stay readable.
std::string shortened(const std::string& label) {
  if (display_width(label) <= kLongestLabel) return label;
  std::vector<size_t> starts;
  for (size_t i = 0; i < label.size(); ++i)
    if ((static_cast<unsigned char>(label[i]) & 0xc0) != 0x80) starts.push_back(i);
  const size_t head = kLongestLabel / 2, tail = kLongestLabel - head - 1;
  return label.substr(0, starts[head]) + "…" + label.substr(starts[starts.size() - tail]);
}

std::string end_label(const Chart& chart, const Curve& curve) {
  const double last = curve.points.back().y;
  char text[32];
  std::snprintf(text, sizeof text, last >= 0.01 && last < 1000 ? "%.2g" : "%.1e", last);
  return shortened(curve.label) + "  " + (!curve.remark.empty() ? curve.remark : chart.log_y ? text : format_number(last, 1));
}

/// 1, 2 and 5 times the powers of ten around and between `low` and `high`, at least two of them.
std::vector<double> steps_around(double low, double high) {
  std::vector<double> steps;
  for (int decade = static_cast<int>(std::floor(std::log10(low)));; ++decade)
    for (const double digit : {1.0, 2.0, 5.0}) {
      const double step = digit * std::pow(10, decade);
      if (step <= low) steps.clear();
      steps.push_back(step);
      if (step >= high && steps.size() > 1) return steps;
    }
}

/// Whole decades around all points, or where these are within two, 1, 2 or 5 times such.
Range log_range(const Chart& chart) {
  double low = chart.curves[0].points[0].low, high = low;
  for (const Curve& curve : chart.curves)
    for (const Point& point : curve.points) {
      low = std::min(low, point.low);
      high = std::max(high, point.high);
    }
  if (high < 100 * low) {
    const auto steps = steps_around(low, high);
    return {steps.front(), steps.back()};
  }
  const double bottom = std::floor(std::log10(low));
  return {std::pow(10, bottom), std::pow(10, std::max(bottom + 1, std::ceil(std::log10(high))))};
}

/// From 0 (or near the lowest point, when all is close together) to 100 or a little above the highest point.
Range y_range(const Chart& chart) {
  double low = 100, high = 0;
  for (const Curve& curve : chart.curves)
    for (const Point& point : curve.points) {
      low = std::min(low, point.low);
      high = std::max(high, point.high);
    }
  if (chart.log_y) return log_range(chart);
  if (chart.chance) low = std::min(low, *chart.chance);
  if (chart.y_marker) high = std::max(high, chart.y_marker->first);
  const double margin = std::max(2.0, 0.06 * (high - low));
  const double step = high - low > 40 ? 20 : 5;
  const double bottom = low < 0.35 * high ? 0 : std::max(0.0, step * std::floor((low - margin) / step));
  return {bottom, high > 80 ? 100 : std::min(100.0, std::max(bottom + 5, step * std::ceil((high + margin) / step)))};
}

Range x_range(const Chart& chart) {
  double low = chart.curves[0].points[0].x, high = low;
  for (const Curve& curve : chart.curves) {
    low = std::min(low, curve.points.front().x);
    high = std::max(high, curve.points.back().x);
  }
  if (chart.x_ticks.empty()) return {0, high > 0 ? high : 1};
  const double margin = high > low ? 0.04 * (high - low) : std::max(1.0, 0.1 * high);
  return {low - margin, high + margin};
}

double right_edge(const Chart& chart) {
  size_t longest = 0;
  for (const Curve& curve : chart.curves) longest = std::max(longest, display_width(end_label(chart, curve)));
  return 1 - (52 + 0.78 * kFontSize * static_cast<double>(longest)) / kWidth;
}

/// One look in three formats: a PNG, an SVG whose fonts are in pixels and not in points, a PDF of the same shape. `format` is given by who draws.
std::string terminals(const Chart& chart) {
  const std::string size = number(kWidth) + "," + number(kHeight), font = " font 'Sans," + number(kFontSize) + "'";
  return "set encoding utf8\nif (!exists('format')) format = 'png'\nif (format eq 'svg') set terminal svg noenhanced size " + size + font + " fontscale 1.333\n" +
         "if (format eq 'pdf') set terminal pdfcairo noenhanced size " + number(kWidth / 96) + "in," + number(kHeight / 96) + "in" + font +
         "\nif (format eq 'png') set terminal pngcairo noenhanced size " + size + " background '#ffffff'" + font +
         "\nset output (exists('picture') ? picture : " + gnuplot_string(chart.name + ".") + ".format)\n";
}

std::string frame(const Chart& chart, const Range& x, const Range& y) {
  std::string script = terminals(chart) + "set datafile separator '\\t'\nunset key\n";
  script += "set lmargin at screen " + number(kLeft) + "\nset rmargin at screen " + number(right_edge(chart)) + "\nset bmargin at screen " +
            number(kBottom) + "\nset tmargin at screen " + number(kTop) + "\n";
  script +=
      "set border 1 linecolor '#888888'\nset tics nomirror scale 0.6 textcolor '#444444'\nset ytics scale 0\nset grid ytics linetype 1 linewidth 1 "
      "linecolor '#e6e6e6'\n";
  script += "set label 1 " + gnuplot_string(chart.title) + " at screen " + number(kLeft) + ", screen 0.95 left font ',21' textcolor '#111111'\n";
  script += "set label 2 " + gnuplot_string(chart.subtitle) + " at screen " + number(kLeft) + ", screen 0.905 left textcolor '#666666'\n";
  if (!chart.caption.empty())
    script += "set label 3 " + gnuplot_string(chart.caption) + " at screen " + number(kLeft) + ", screen 0.022 left font ',12' textcolor '#888888'\n";
  script += "set xlabel " + gnuplot_string(chart.x_title) + " textcolor '#444444' offset 0,-0.1\nset ylabel " + gnuplot_string(chart.y_title) +
            " textcolor '#444444' offset 0.8,0\n";
  script += "set xrange [" + number(x.low) + ":" + number(x.high) + "]\nset yrange [" + number(y.low) + ":" + number(y.high) + "]\n";
  if (chart.log_y) {
    script += "set logscale y\n" + std::string("set format y '") + (y.low >= 0.01 && y.high < 1000 ? "%g" : "%.0e") + "'\n";
    if (y.high < 100 * y.low) {
      std::string list;
      for (const double step : steps_around(y.low, y.high)) list += (list.empty() ? "" : ",") + number(step);
      script += "set ytics (" + list + ")\n";
    }
  }
  if (!chart.log_y && y.high - y.low > 40) script += "set ytics 0,20\n";
  return script;
}

/// Tick labels that would touch their neighbour are left out.
std::string ticks(const Chart& chart, const Range& x) {
  if (chart.x_ticks.empty()) return "set format x '" + (x.high < 10000 ? "%g" : chart.x_format) + "'\n";
  const double pixels = (right_edge(chart) - kLeft) * kWidth / (x.high - x.low);
  std::string list;
  double free_from = -1e300;
  for (const auto& [at, label] : chart.x_ticks) {
    const double half = 0.5 * (0.62 * kFontSize * 1.33 * static_cast<double>(display_width(label)) + 8) / pixels;
    const bool fits = at - half >= free_from;
    list += (list.empty() ? "" : ", ") + gnuplot_string(fits ? label : "") + " " + number(at);
    if (fits) free_from = at + half;
  }
  return "set xtics (" + list + ")\n";
}

std::string chance_line(const Chart& chart, const Range& y) {
  if (!chart.chance || *chart.chance < y.low) return "";
  const double at = *chart.chance;
  const bool room_below = (at - y.low) / (y.high - y.low) > 0.06;
  const bool left = room_below && !chart.x_marker;  // where a curve starts above it; a marker may stand there
  const std::string text = "chance " + (at == std::floor(at) ? format_number(at, 0) : format_number(at, 2)) + " %";
  return "set arrow from graph 0, first " + number(at) + " to graph 1, first " + number(at) +
         " nohead back dashtype (6,6) linewidth 1.5 linecolor '#999999'\nset label " + gnuplot_string(text) + " at graph " +
         (left ? "0.008" : "0.992") + ", first " + number(at) + (left ? " left" : " right") + " offset 0," + (room_below ? "-0.75" : "0.75") +
         " textcolor '#777777' font ',13'\n";
}

std::string marker_line(const Chart& chart) {
  if (!chart.x_marker) return "";
  const std::string at = number(chart.x_marker->first);
  return "set arrow from first " + at + ", graph 0 to first " + at +
         ", graph 1 nohead back dashtype (2,5) linewidth 1.2 linecolor '#999999'\nset label " + gnuplot_string(chart.x_marker->second) +
         " at first " + at + ", graph 0 left offset 0.6,0.8 textcolor '#777777' font ',13'\n";
}

/// The level as a line across, and from it down to the axis where curves reach it.
std::string level_lines(const Chart& chart, const Range& y) {
  if (!chart.y_marker) return "";
  const std::string at = number(chart.y_marker->first);
  std::string script = "set arrow from graph 0, first " + at + " to graph 1, first " + at + " nohead back dashtype (6,6) linewidth 1.5 linecolor '#999999'\nset label " +
                       gnuplot_string(chart.y_marker->second) + " at graph 0.008, first " + at + " left offset 0,0.75 textcolor '#777777' font ',13'\n";
  for (const Curve& curve : chart.curves)
    if (curve.drop)
      script += "set arrow from first " + number(*curve.drop) + ", first " + at + " to first " + number(*curve.drop) + ", first " + number(y.low) +
                " nohead back dashtype (4,4) linewidth 1.5 linecolor '" + paper_color(curve.color) + "'\n";
  return script;
}

/// Labels beyond the right edge at the height of each curve's last point, moved apart where they would overlap, with a thin line from point to label.
std::string end_labels(const Chart& chart, const Range& y) {
  // Heights in the axis' own measure, so that labels keep their distance in pixels.
  const auto height = [&chart](double value) { return chart.log_y ? std::log10(value) : value; };
  const double pixels = (kTop - kBottom) * kHeight / (height(y.high) - height(y.low));
  std::vector<size_t> order(chart.curves.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return chart.curves[a].points.back().y < chart.curves[b].points.back().y; });
  std::vector<double> wanted;
  for (const size_t i : order) wanted.push_back(height(chart.curves[i].points.back().y));
  std::vector<double> placed = spread(wanted, kLabelGap / pixels, height(y.low), height(y.high));
  if (chart.log_y)
    for (double& at : placed) at = std::pow(10, at);
  const std::string label_x = number(right_edge(chart) + 26 / kWidth), text_x = number(right_edge(chart) + 32 / kWidth);
  std::string script;
  for (size_t k = 0; k < order.size(); ++k) {
    const Curve& curve = chart.curves[order[k]];
    const std::string end_x = number(curve.points.back().x), end_y = number(curve.points.back().y), label_y = number(placed[k]);
    const std::string style = std::string(" nohead back linewidth 1 linecolor '") + paper_color(curve.color) + "'";
    script += "set arrow from first " + end_x + ", first " + end_y + " to graph 1, first " + end_y + style + " dashtype (2,5)\n";
    script += "set arrow from graph 1, first " + end_y + " to screen " + label_x + ", first " + label_y + style + "\n";
    script += "set label " + gnuplot_string(end_label(chart, curve)) + " at screen " + text_x + ", first " + label_y + " left textcolor '" +
              paper_color(curve.color) + "'\n";
  }
  return script;
}

bool shows_dots(const Curve& curve) { return !curve.dots.empty() && curve.points.size() <= 40; }

std::string curves(const Chart& chart) {
  std::string plots, bars;
  size_t dots = chart.curves.size();  // the blocks behind those of the curves
  for (size_t i = 0; i < chart.curves.size(); ++i) {
    const Curve& curve = chart.curves[i];
    const std::string index = std::to_string(i), color = paper_color(curve.color);
    const std::string data = gnuplot_string(chart.name + ".tsv") + " index " + index;
    static const char* dashes[] = {"solid", "(12,6)", "(3,4)", "(12,4,3,4)"};
    const int dash = (curve.color / kColorCount + curve.dash) % 4;
    const std::string style = std::string(" dashtype ") + dashes[dash] + " linewidth 2.5 linecolor '" + color + "'";
    const std::string marker = " pointtype " + std::to_string(kMarkers[curve.color % 6]) + " pointsize 1.3";
    if (curve.band) bars += data + " using 1:3:4 with filledcurves fillcolor rgb '" + color + "' fillstyle transparent solid 0.18 noborder, ";
    if (chart.error_bars) bars += data + " using 1:2:3:4 with yerrorbars linewidth 1.2 linecolor '" + color + "' pointsize 0, ";
    if (shows_dots(curve))
      bars += gnuplot_string(chart.name + ".tsv") + " index " + std::to_string(dots++) + " using 1:2 with points pointtype 6 pointsize 0.7 linewidth 1.2 linecolor '" + color + "', ";
    plots += data + " using 1:2 with " + (curve.points.size() <= 40 ? "linespoints" + style + marker : "lines" + style) +
             (i + 1 < chart.curves.size() ? ", \\\n  " : "\n");
  }
  return "plot " + bars + plots;
}

}  // namespace

std::string plot_data(const Chart& chart) {
  std::string data = "# x\ty\tlow\thigh\tlabel\n";
  bool first = true;
  const auto block = [&](const std::string& lines) { data += (std::exchange(first, false) ? "" : "\n\n") + lines; };
  const auto clean = [](std::string label) {
    for (char& c : label)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '"') c = ' ';
    return label;
  };
  for (const Curve& curve : chart.curves) {
    std::string lines;
    for (const Point& point : curve.points)
      lines += number(point.x) + "\t" + number(point.y) + "\t" + number(point.low) + "\t" + number(point.high) + "\t" + clean(curve.label) + "\n";
    block(lines);
  }
  for (const Curve& curve : chart.curves) {
    if (!shows_dots(curve)) continue;
    std::string lines;
    for (const auto& [x, y] : curve.dots) lines += number(x) + "\t" + number(y) + "\t\t\t" + clean(curve.label) + ", one seed\n";
    block(lines);
  }
  return data;
}

std::string plot_script(const Chart& chart) {
  const Range x = x_range(chart), y = y_range(chart);
  return frame(chart, x, y) + ticks(chart, x) + chance_line(chart, y) + marker_line(chart) + level_lines(chart, y) + end_labels(chart, y) + curves(chart);
}

Drawn draw(const Chart& chart, const std::filesystem::path& folder, const std::string& program) {
  return draw_with_gnuplot({chart.name, plot_data(chart), plot_script(chart)}, folder, program, {"png", "svg", "pdf"});
}

}  // namespace liere::report
