// The one table of a report, one row per run or group of seeds (report/groups.h), as terminal text and as Markdown.
//   encoding | top-1 [95 % interval], or mean ± deviation | best during training and what it was selected on | after shuffling | relative drop | one column per evaluated size (report/sizes.h) | images to reach a level |
//   images/s | parameters
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "report/run.h"

namespace liere::report {

struct Table {
  std::string title;
  std::vector<std::vector<std::string>> header;  // per column: its lines
  std::vector<std::vector<std::string>> rows;    // `text_columns` of text (left), then figures (right)
  size_t text_columns = 1, text_columns_at_end = 0;
  std::vector<std::string> notes;  // what the figures mean, what is missing and how to make it
  // On a page only, one per row where not empty:
  std::vector<int> colors;                 // of the row's method (report/palette.h)
  std::vector<std::string> pictures;       // its intervals, drawn, in a column of their own
  std::string picture_title;
  size_t picture_column = 0;               // before which column; 0: behind the last

  bool is_text(size_t column) const { return column < text_columns || column + text_columns_at_end >= header.size(); }
};

/// Every size in every manner it was shown, one row per run and manner; no rows where there is nothing beyond the main table.
Table make_size_table(const std::vector<Run>& runs);

/// `reach_percent`: the accuracy of the column "images to ...".
Table make_table(const std::vector<Run>& runs, double reach_percent);

/// The same figures with one row per run; no rows where no runs were grouped.
Table make_runs_table(const std::vector<Run>& runs, double reach_percent);

/// Aligned for a terminal; control characters in names are shown as '?'.
std::string text(const Table& table);
std::string markdown(const Table& table);
/// booktabs: \\usepackage{booktabs}; title and notes as a comment and small print.
std::string latex(const Table& table);
/// RFC 4180: the header in one line, then the rows as they are printed.
std::string csv(const Table& table);

/// "99.1" with the given decimals, "-" for an unknown number.
std::string format_number(double value, int decimals);
/// A leading hyphen as a minus sign.
std::string minus_signed(const std::string& number);
/// `path` as one word of a shell command.
std::string shell_word(const std::string& path);
/// Characters (code points) of UTF-8 text.
size_t display_width(const std::string& text);

}  // namespace liere::report
