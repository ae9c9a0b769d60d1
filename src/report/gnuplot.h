// Draws a chart as PNG with gnuplot, an external program: NAME.tsv holds the figures, NAME.gp the script (both stay, to be changed by hand), NAME.png the picture.
// The program is started without a shell; text of the user's stands in the script only as single-quoted strings, without gnuplot's markup.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "report/chart.h"

namespace liere::report {

struct ProgramResult {
  bool found = true;
  int status = 0;           // exit status, 128 + n for signal n
  std::string first_error;  // first line of stderr
};

/// Runs `program` (searched in PATH) in `folder` with stdin and stdout closed off, and waits.
ProgramResult run_program(const std::string& program, const std::vector<std::string>& arguments, const std::filesystem::path& folder);

/// The figures of a chart, one block per curve: x, y, low, high, label.
std::string plot_data(const Chart& chart);
std::string plot_script(const Chart& chart);

enum class Drawn { kYes, kNoProgram };

/// Writes the three files into `folder`. kNoProgram: gnuplot is not installed (data and script are there).
/// Throws Error(kFailure) with the first line of gnuplot's stderr; an older picture is gone then.
Drawn draw(const Chart& chart, const std::filesystem::path& folder, const std::string& program = "gnuplot");

/// `text` as a gnuplot string.
std::string gnuplot_string(const std::string& text);

}  // namespace liere::report
