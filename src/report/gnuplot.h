// A chart as gnuplot draws it (core/gnuplot.h): its figures and its script.
#pragma once

#include <filesystem>
#include <string>

#include "core/gnuplot.h"
#include "report/chart.h"

namespace liere::report {

/// The figures of a chart, one block per curve (x, y, low, high, label), then one per curve of several seeds with each seed's points.
std::string plot_data(const Chart& chart);
std::string plot_script(const Chart& chart);

/// Writes NAME.tsv, NAME.gp, NAME.png, NAME.svg and NAME.pdf into `folder`; as draw_with_gnuplot.
Drawn draw(const Chart& chart, const std::filesystem::path& folder, const std::string& program = "gnuplot");

}  // namespace liere::report
