// The picture of liere-bench rotations: two panels, forward and forward + backward, logarithmic on both axes.
#include <algorithm>
#include <cstdio>
#include <map>

#include "bench/rotations.h"

namespace liere {
namespace {

struct Look {
  const char *color, *dash;
  int marker;
};
// Okabe and Ito's palette (jfly.uni-koeln.de/color).
const std::map<std::string, Look> kLooks = {{"kernels", {"#0072B2", "1", 7}},
                                            {"kernels without rays", {"#56B4E9", "2", 6}},
                                            {"reference", {"#009E73", "1", 5}},
                                            {"torch.matrix_exp", {"#D55E00", "1", 9}}};

PlotScript picture_of(const RotationsBench& result, const std::string& grid) {
  PlotScript plot;
  plot.name = "rotations_" + grid;
  std::string curves[2];
  int block_of_data = 0;
  for (const auto& [form, look] : kLooks) {
    std::string lines;
    for (const auto& row : result.rows)
      for (const auto& f : row.forms)
        if (row.grid == grid && f.name == form) {
          const double us = 1e6 / static_cast<double>(row.matrices);
          char line[200];
          std::snprintf(line, sizeof line, "%lld\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g\n", static_cast<long long>(row.block), f.forward.median * us,
                        f.forward.low * us, f.forward.high * us, f.both.median * us, f.both.low * us, f.both.high * us);
          lines += line;
        }
    if (lines.empty()) continue;
    plot.data += "# " + form + ": block, forward us (median, lowest, highest), forward and backward us\n" + lines + "\n\n";
    for (int panel = 0; panel < 2; ++panel) {
      const std::string column = std::to_string(2 + 3 * panel), low = std::to_string(3 + 3 * panel), high = std::to_string(4 + 3 * panel);
      const std::string data = gnuplot_string(plot.name + ".tsv") + " index " + std::to_string(block_of_data);
      curves[panel] += std::string(curves[panel].empty() ? "plot " : ", ") + data + " using 1:" + column + ":" + low + ":" + high +
                       " with yerrorbars lc rgb '" + look.color + "' lw 1.5 pt 0 notitle, " + data + " using 1:" + column +
                       " with linespoints lc rgb '" + look.color + "' lw 2.5 dt " + look.dash + " pt " + std::to_string(look.marker) +
                       " ps 1.4 title " + gnuplot_string(form);
    }
    ++block_of_data;
  }
  plot.script =
      "if (!exists('picture')) picture = " + gnuplot_string(plot.name + ".png") +
      "\nset terminal pngcairo noenhanced size 1280,640 font 'Sans,13' background rgb 'white'\nset output picture\n"
      "set multiplot layout 1,2 title " +
      gnuplot_string("exp of skew-symmetric blocks, grid " + grid + ", " + std::to_string(result.config.threads) + " thread(s), " +
                     result.device + ": time per matrix, median and range") +
      "\nset logscale x 2\nset logscale y 10\nset grid lc rgb '#dddddd'\nset border 3 lc rgb '#444444'\nset tics nomirror\nset format y '%g'\n"
      "set xlabel 'block size'\nset ylabel 'microseconds per matrix'\nset key top left reverse Left samplen 3\nset offsets graph 0.05, graph 0.05, "
      "0, 0\n"
      "set title 'forward'\n" +
      curves[0] + "\nset title 'forward and backward'\nunset ylabel\n" + curves[1] + "\nunset multiplot\n";
  return plot;
}

}  // namespace

std::vector<PlotScript> pictures_of(const RotationsBench& result) {
  std::vector<PlotScript> pictures;
  std::vector<std::string> grids;
  for (const auto& row : result.rows)
    if (std::find(grids.begin(), grids.end(), row.grid) == grids.end()) grids.push_back(row.grid);
  for (const auto& grid : grids) pictures.push_back(picture_of(result, grid));
  return pictures;
}

}  // namespace liere
