// Pictures by gnuplot, an external program: NAME.tsv holds the figures, NAME.gp the script (both stay, to be changed by hand), NAME.png the picture.
// The program is started without a shell; text of the user's stands in a script only as single-quoted strings, without gnuplot's markup.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace liere {

struct ProgramResult {
  bool found = true;
  int status = 0;           // exit status, 128 + n for signal n
  std::string first_error;  // first line of stderr
};

/// Runs `program` (searched in PATH) in `folder` with stdin and stdout closed off, and waits.
ProgramResult run_program(const std::string& program, const std::vector<std::string>& arguments, const std::filesystem::path& folder);

/// A picture before it is drawn. The script reads NAME.tsv in its own folder and sets its output to the variable `picture` where that is set, else to
/// NAME.png. Where other formats are asked for it chooses its terminal by the variable `format` ("png", "svg", "pdf").
struct PlotScript {
  std::string name, data, script;
};

enum class Drawn { kYes, kNoProgram };

/// Writes NAME.tsv, NAME.gp and NAME.FORMAT for each format into `folder`. kNoProgram: gnuplot is not installed (data and script are there).
/// Throws Error(kFailure) with the first line of gnuplot's stderr; older pictures are gone then.
Drawn draw_with_gnuplot(const PlotScript& plot, const std::filesystem::path& folder, const std::string& program = "gnuplot",
                        const std::vector<std::string>& formats = {"png"});

/// `text` as a gnuplot string.
std::string gnuplot_string(const std::string& text);

}  // namespace liere
