#include "report/workbench/pictures.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "report/palette.h"

namespace liere::report {
namespace {

std::string number(double value) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.6g", value);
  return buffer;
}

/// A mosaic of equal tiles with one empty cell between them.
struct Mosaic {
  int64_t rows, columns, tile_rows, tile_columns;
  std::vector<float> cells;

  Mosaic(int64_t rows, int64_t columns, int64_t tile_rows, int64_t tile_columns)
      : rows(rows), columns(columns), tile_rows(tile_rows), tile_columns(tile_columns), cells(static_cast<size_t>(height() * width()), std::numeric_limits<float>::quiet_NaN()) {}
  int64_t height() const { return rows * (tile_rows + 1) - 1; }
  int64_t width() const { return columns * (tile_columns + 1) - 1; }
  float& at(int64_t row, int64_t column, int64_t i, int64_t j) { return cells[static_cast<size_t>((row * (tile_rows + 1) + i) * width() + column * (tile_columns + 1) + j)]; }

  std::string data() const {
    std::string text;
    for (int64_t i = 0; i < height(); ++i)
      for (int64_t j = 0; j < width(); ++j) {
        const float value = cells[static_cast<size_t>(i * width() + j)];
        text += (std::isnan(value) ? "nan" : number(value)) + (j + 1 < width() ? "\t" : "\n");
      }
    return text;
  }
};

/// PNG, SVG and PDF of one size in pixels.
std::string terminals(const std::string& name, double width, double height) {
  const std::string size = number(width) + "," + number(height);
  return "set encoding utf8\nif (!exists('format')) format = 'png'\nif (format eq 'svg') set terminal svg noenhanced size " + size + " font 'Sans,13' fontscale 1.333\nif (format eq 'pdf') set terminal pdfcairo noenhanced size " +
         number(width / 96) + "in," + number(height / 96) + "in font 'Sans,13'\nif (format eq 'png') set terminal pngcairo noenhanced size " + size +
         " background '#ffffff' font 'Sans,13'\nset output (exists('picture') ? picture : " + gnuplot_string(name + ".") + ".format)\nset datafile separator '\\t'\nset datafile missing 'nan'\nunset key\n";
}

std::string heading(const std::string& title, const std::string& subtitle, double left) {
  return "set label 1 " + gnuplot_string(title) + " at screen " + number(left) + ", screen 0.955 left font ',17' textcolor '#111111'\nset label 2 " + gnuplot_string(subtitle) + " at screen " + number(left) +
         ", screen 0.915 left textcolor '#666666'\n";
}

/// Ticks at the middle of every tile, thinned out where there are many.
std::string tile_ticks(const char* axis, int64_t count, int64_t tile) {
  std::string list;
  const int64_t every = count > 16 ? 2 : 1;
  for (int64_t i = 0; i < count; i += every)
    list += (list.empty() ? "" : ", ") + gnuplot_string(std::to_string(i)) + " " + number(static_cast<double>(i * (tile + 1)) + static_cast<double>(tile - 1) / 2);
  return std::string("set ") + axis + "tics (" + list + ") scale 0 textcolor '#444444'\n";
}

/// Blue below zero, white, red above: equal steps look equal, and both ends are told apart without colour vision of red and green.
constexpr const char* kDiverging = "set palette defined (-1 '#2166ac', -0.5 '#92c5de', 0 '#f7f7f7', 0.5 '#f4a582', 1 '#b2182b')\n";

PlotScript mosaic_plot(const Mosaic& mosaic, const std::string& name, const std::string& title, const std::string& subtitle, const std::string& x, const std::string& y, double reach) {
  // Tiles of a size that can be read, the whole within a page.
  const double cell = std::clamp(std::min(1060.0 / static_cast<double>(mosaic.width()), 1000.0 / static_cast<double>(mosaic.height())), 1.0, 20.0);
  const double picture_width = std::max(720.0, static_cast<double>(mosaic.width()) * cell + 190), picture_height = static_cast<double>(mosaic.height()) * cell + 190;
  const double left = 75 / picture_width, right = left + static_cast<double>(mosaic.width()) * cell / picture_width, bottom = 60 / picture_height,
               top = bottom + static_cast<double>(mosaic.height()) * cell / picture_height;
  std::string script = terminals(name, std::round(picture_width), std::round(picture_height)) + heading(title, subtitle, 20 / picture_width) + kDiverging;
  script += "set lmargin at screen " + number(left) + "\nset rmargin at screen " + number(right) + "\nset bmargin at screen " + number(bottom) + "\nset tmargin at screen " + number(top) + "\nunset border\n";
  if (!x.empty()) script += tile_ticks("x", mosaic.columns, mosaic.tile_columns) + tile_ticks("y", mosaic.rows, mosaic.tile_rows);
  else script += "unset tics\n";
  script += "set xlabel " + gnuplot_string(x) + " textcolor '#444444'\nset ylabel " + gnuplot_string(y) + " textcolor '#444444'\n";
  script += "set xrange [-0.5:" + number(static_cast<double>(mosaic.width()) - 0.5) + "]\nset yrange [" + number(static_cast<double>(mosaic.height()) - 0.5) + ":-0.5]\n";
  script += "set cbrange [" + number(-reach) + ":" + number(reach) + "]\nset colorbox user origin screen " + number(right + 22 / picture_width) + ", screen " + number(bottom) + " size screen " +
            number(14 / picture_width) + ", screen " + number(std::min(top - bottom, 220 / picture_height)) + " noborder\nset cbtics scale 0 textcolor '#444444'\n";
  script += "plot " + gnuplot_string(name + ".tsv") + " matrix with image pixels\n";
  return {name, mosaic.data(), script};
}

/// A head's map as the tile's rows and columns, from the token in the middle: the last two axes; of an axis before them the offset 0, of a single axis one row.
struct Tile {
  const Window& window;
  size_t axes = window.grid.size();
  int64_t rows() const { return axes > 1 ? window.grid[axes - 2] : 1; }
  int64_t columns() const { return window.grid[axes - 1]; }
  int64_t index(int64_t i, int64_t j) const {
    std::vector<int64_t> offset(axes, 0);
    if (axes > 1) offset[axes - 2] = i - rows() / 2;
    offset[axes - 1] = j - columns() / 2;
    return window.index(offset);
  }
};

Mosaic head_mosaic(const Analysis& analysis, std::vector<float> ScoreMaps::*map) {
  const Tile tile{analysis.window};
  Mosaic mosaic(analysis.encoding.layers(), analysis.encoding.heads(), tile.rows(), tile.columns());
  for (int64_t layer = 0; layer < mosaic.rows; ++layer)
    for (int64_t head = 0; head < mosaic.columns; ++head) {
      const auto& values = analysis.at(layer, head).maps.*map;
      for (int64_t i = 0; i < tile.rows(); ++i)
        for (int64_t j = 0; j < tile.columns(); ++j) mosaic.at(layer, head, i, j) = values[static_cast<size_t>(tile.index(i, j))];
    }
  return mosaic;
}

std::string offsets_text(const Analysis& analysis) {
  const auto axes = analysis.window.grid.size();
  return axes == 1 ? "offset along x" : axes == 2 ? "offsets in x and y" : "offsets in x and y within one slice";
}

constexpr double kWide = 1100, kHigh = 560;

std::string frame(const std::string& name, const std::string& title, const std::string& subtitle, const std::string& y) {
  return terminals(name, kWide, kHigh) + heading(title, subtitle, 0.07) +
         "set lmargin at screen 0.07\nset rmargin at screen 0.98\nset bmargin at screen 0.13\nset tmargin at screen 0.87\nset border 1 linecolor '#888888'\nset tics nomirror scale 0.6 textcolor '#444444'\n"
         "set grid ytics linetype 1 linewidth 1 linecolor '#e6e6e6'\nset xlabel 'layer' textcolor '#444444'\nset ylabel " +
         gnuplot_string(y) + " textcolor '#444444'\n";
}

/// In [-0.5, 0.5), even and always the same: dots of one place stand side by side.
double jitter(size_t i) { return std::fmod(0.618033988749895 * static_cast<double>(i + 1), 1.0) - 0.5; }

}  // namespace

WorkbenchPicture score_picture(const Analysis& analysis, const std::string& name) {
  const auto& label = analysis.encoding.label;
  return {mosaic_plot(head_mosaic(analysis, &ScoreMaps::centre), name, label + ": score over " + offsets_text(analysis), "of the encoding alone, from the token in the middle, where it is 1", "head", "layer", 1),
          label + ": score over offsets",
          "tr(R(p)^T R(p + d)) / head dimension of each layer (rows) and head (columns), p the token in the middle, d = 0 in the middle of each map: the mean of q.k over contents q = k. White is none, red as at the token itself, blue opposed."};
}

WorkbenchPicture logit_picture(const Analysis& analysis, const std::string& name) {
  auto mosaic = head_mosaic(analysis, &ScoreMaps::logit_centre);
  float reach = 0;
  for (const float value : mosaic.cells)
    if (std::isfinite(value)) reach = std::max(reach, std::abs(value));
  const auto& label = analysis.encoding.label;
  return {mosaic_plot(mosaic, name, label + ": logit over " + offsets_text(analysis), "of tokens of equal content, with the layer's own queries and keys; one scale for all", "head", "layer", reach > 0 ? reach : 1),
          label + ": logit over offsets",
          "The expected logit between the token in the middle and one at offset d, both of the same random content seen through the layer norm and the projections of their layer: what attention adds by place alone."};
}

WorkbenchPicture table_picture(const Analysis& analysis, const std::string& name) {
  const auto& e = analysis.encoding;
  const size_t axes = e.grid.size();
  const int64_t columns = e.grid[axes - 1], rows = axes > 1 ? e.grid[axes - 2] : 1, plane = rows * columns, tokens = e.tokens();
  const int64_t first = (tokens / plane / 2) * plane;  // of volumes the slice in the middle
  Mosaic mosaic(rows, columns, rows, columns);
  for (int64_t t = 0; t < plane; ++t)
    for (int64_t u = 0; u < plane; ++u) mosaic.at(t / columns, t % columns, u / columns, u % columns) = analysis.similarity[static_cast<size_t>((first + t) * tokens + first + u)];
  return {mosaic_plot(mosaic, name, e.label + ": similarity of the table's rows", "each patch's row with all others, the patch at its place", "", "", 1), e.label + ": the table of positions",
          "The cosine between a patch's learned vector and every other patch's, a map per patch at the patch's place: neighbours that look alike show that the table has learned where patches lie."};
}

WorkbenchPicture frequency_picture(const Analysis& analysis, const std::string& name) {
  const auto& e = analysis.encoding;
  static constexpr const char* kAxisColors[] = {"#0072B2", "#D55E00", "#009E73"};
  const auto axes = static_cast<size_t>(e.axes());
  const double place = 0.8 / static_cast<double>(axes);
  std::string now, before;
  for (int64_t layer = 0; layer < e.layers(); ++layer)
    for (size_t axis = 0; axis < axes; ++axis) {
      size_t dot = 0;
      for (int64_t head = 0; head < e.heads(); ++head) {
        const auto& figures = analysis.at(layer, head);
        const auto add = [&](std::string& text, const std::vector<std::vector<double>>& frequencies) {
          if (frequencies.empty()) return;
          for (const double theta : frequencies[axis])
            text += number(static_cast<double>(layer) - 0.4 + place * (static_cast<double>(axis) + 0.5 + 0.7 * jitter(dot++))) + "\t" + number(std::abs(theta)) + "\t" + std::to_string(axis) + "\n";
        };
        add(before, figures.start_frequencies);
        add(now, figures.frequencies);
      }
    }
  const std::string axis_names = axes == 1 ? "" : axes == 2 ? "; blue rows, orange columns" : "; blue frames, orange rows, green columns";
  std::string script = frame(name, e.label + ": angular frequencies of the generators", "a dot per plane and head, radians per unit of position" + axis_names + (before.empty() ? "" : ", grey before training"), "radians");
  const bool is_dense = e.heads() * e.head_dim() > 256;
  const std::string small = is_dense ? "0.2" : "0.35", large = is_dense ? "0.25" : "0.45";
  script += "set xrange [-0.6:" + number(static_cast<double>(e.layers()) - 0.4) + "]\nset xtics 1\nset yrange [0:*]\nplot ";
  const std::string file = gnuplot_string(name + ".tsv");
  if (!before.empty()) script += file + " index 0 using 1:2 with points pointtype 7 pointsize " + small + " linecolor '#bdbdbd', ";
  const std::string block = before.empty() ? "0" : "1";
  for (size_t axis = 0; axis < axes; ++axis)
    script += (axis ? ", " : "") + file + " index " + block + " using ($3==" + std::to_string(axis) + "?$1:NaN):2 with points pointtype 7 pointsize " + large + " linecolor '" + kAxisColors[axis % 3] + "'";
  return {{name, before + (before.empty() ? "" : "\n\n") + now, script + "\n"}, e.label + ": frequencies",
          "The singular values of the skew-symmetric blocks: how fast each plane turns along an axis. One unit of position is the whole side of a picture at the training size."};
}

WorkbenchPicture commutator_picture(const std::vector<Analysis>& analyses, const std::string& name) {
  std::string data, plots;
  int64_t layers = 0;
  size_t shown = 0;
  const auto count = static_cast<size_t>(std::count_if(analyses.begin(), analyses.end(), [](const auto& a) { return a.encoding.block > 2 && a.encoding.axes() > 1; }));
  std::string labels;
  for (const auto& analysis : analyses) {
    const auto& e = analysis.encoding;
    if (e.block <= 2 || e.axes() < 2) continue;
    layers = std::max(layers, e.layers());
    const double middle = (static_cast<double>(shown) + 0.5) / static_cast<double>(count) * 0.8 - 0.4;
    std::string start;
    for (int64_t layer = 0; layer < e.layers(); ++layer)
      for (int64_t head = 0; head < e.heads(); ++head) {
        const auto& figures = analysis.at(layer, head);
        const std::string x = number(static_cast<double>(layer) + middle + 0.5 / static_cast<double>(count) * jitter(static_cast<size_t>(head)));
        data += x + "\t" + number(figures.commutator) + "\n";
        if (std::isfinite(figures.start_commutator)) start += x + "\t" + number(figures.start_commutator) + "\n";
      }
    data += "\n\n" + (start.empty() ? std::string("0\tnan\n") : start) + "\n\n";
    const std::string color = paper_color(static_cast<int>(shown));
    plots += (plots.empty() ? "" : ", ") + gnuplot_string(name + ".tsv") + " index " + std::to_string(2 * shown + 1) + " with points pointtype 6 pointsize 0.6 linecolor '#b0b0b0' notitle, " + gnuplot_string(name + ".tsv") + " index " +
             std::to_string(2 * shown) + " with points pointtype 7 pointsize 0.7 linecolor '" + color + "' title " + gnuplot_string(e.label);
    ++shown;
  }
  if (!shown) return {};
  std::string script = frame(name, "How far the axes are from commuting", "||A_x A_y - A_y A_x|| / (||A_x|| ||A_y||), a dot per head, open circles before training; 0 in every RoPE", "commutator norm");
  script += "set key at screen 0.98, screen 0.045 right horizontal samplen 0.5\nset xrange [-0.6:" + number(static_cast<double>(layers) - 0.4) + "]\nset xtics 1\nset yrange [0:*]\nplot " + plots + "\n";
  return {{name, data, script}, "Commutators", "Where the axes' generators commute, rotations depend on offsets alone and the encoding is a RoPE in another basis; the norm says how far it is from that."};
}

}  // namespace liere::report
