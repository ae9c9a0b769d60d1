#include "report/table.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>

#include "core/log.h"
#include "report/notes.h"
#include "report/sizes.h"
#include "report/statistics.h"

namespace liere::report {
namespace {

std::string count_text(const std::optional<int64_t>& count) { return count ? format_count(*count) : "-"; }

/// Each interval end at the same width, so that right-aligned figures stand beneath each other.
std::string with_interval(const Accuracy& accuracy) {
  std::string figure = format_number(accuracy.top1, 1);
  if (std::isnan(accuracy.top1) || accuracy.samples.value_or(0) < 1) return figure;
  const Interval interval = wilson_interval(accuracy.top1, *accuracy.samples);
  char ends[48];
  std::snprintf(ends, sizeof ends, "  [%4.1f, %5.1f]", interval.low, interval.high);
  return figure + ends;
}

std::string top1_text(const ResolutionResult* result) { return result ? format_number(result->accuracy.top1, 1) : "-"; }

std::vector<std::string> row(const Run& run, const std::vector<Size>& sizes, double reach_percent) {
  std::vector<std::string> cells = {run.label + (run.state == "done" ? "" : " *"), with_interval(run.accuracy())};
  cells.push_back(run.shuffle_test ? format_number(run.shuffle_test->after.top1, 1) : "-");
  cells.push_back(run.shuffle_test ? format_number(run.shuffle_test->relative_drop, 1) : "-");
  for (const Size& size : sizes) cells.push_back(top1_text(main_result(run, size)));
  if (sizes.empty()) cells.push_back("-");
  cells.push_back(count_text(samples_to_reach(run.evals, reach_percent)));
  cells.push_back(std::isnan(run.samples_per_second) ? "-" : format_count(std::llround(run.samples_per_second)));
  cells.push_back(count_text(run.parameters));
  return cells;
}

std::string printable(const std::string& text) {
  std::string result;
  for (const char c : text) result += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return result;
}

std::string padded(const std::string& cell, size_t width, bool left) {
  const std::string fill(width - std::min(width, display_width(cell)), ' ');
  return left ? cell + fill : fill + cell;
}

std::string line(const std::vector<std::string>& cells, const std::vector<size_t>& widths, size_t text_columns) {
  std::string result;
  for (size_t i = 0; i < cells.size(); ++i) result += (i ? "  " : "") + padded(cells[i], widths[i], i < text_columns);
  while (!result.empty() && result.back() == ' ') result.pop_back();
  return result + "\n";
}

std::string escaped_for_markdown(const std::string& text) {
  std::string result;
  for (const char c : printable(text)) {
    if (std::string_view("|\\`*<[]").find(c) != std::string_view::npos) result += '\\';
    result += c;
  }
  return result;
}

}  // namespace

Table make_table(const std::vector<Run>& runs, double reach_percent) {
  const std::vector<Size> sizes = evaluated_sizes(runs);
  Table table;
  table.header = {{"encoding"}, {"top-1 %", "[95 % interval]"}, {"top-1 %", "shuffled"}, {"relative", "drop %"}};
  for (const Size& size : sizes) table.header.push_back({"top-1 %", size_text(size)});
  if (sizes.empty()) table.header.push_back({"top-1 %", "other sizes"});
  table.header.insert(table.header.end(), {{"images seen", "to " + format_number(reach_percent, 0) + " %"}, {"images/s"}, {"parameters"}});
  for (const Run& run : runs) table.rows.push_back(row(run, sizes, reach_percent));
  table.title = table_title(runs);
  table.notes = table_notes(runs, reach_percent);
  return table;
}

Table make_size_table(const std::vector<Run>& runs) {
  const std::vector<Size> sizes = evaluated_sizes(runs);
  Table table;
  table.title = "Top-1 % at every size";
  table.header = {{"encoding"}, {"reading"}, {"positions"}};
  table.text_columns = 3;
  for (const Size& size : sizes) table.header.push_back({size_text(size)});
  bool more = false;
  for (const Run& run : runs) {
    const std::vector<Manner> shown = manners(run);
    more |= shown.size() > 1;
    for (const Manner& manner : shown) {
      table.rows.push_back({run.label, manner.reading, manner.positions});
      for (const Size& size : sizes) table.rows.back().push_back(top1_text(find_result(run, size, manner)));
    }
  }
  if (!more) table.rows.clear();
  return table;
}

std::string text(const Table& table) {
  if (table.rows.empty()) return "";
  std::vector<size_t> widths(table.header.size());
  size_t header_lines = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    header_lines = std::max(header_lines, table.header[i].size());
    for (const std::string& header : table.header[i]) widths[i] = std::max(widths[i], display_width(header));
    for (const auto& cells : table.rows) widths[i] = std::max(widths[i], display_width(cells[i]));
  }
  std::string result = printable(table.title) + "\n\n";
  for (size_t l = 0; l < header_lines; ++l) {
    std::vector<std::string> cells;
    for (const auto& column : table.header) cells.push_back(l < column.size() ? column[l] : "");
    result += line(cells, widths, table.text_columns);
  }
  std::vector<std::string> rules;
  for (const size_t width : widths) rules.push_back(std::string(width, '-'));
  result += line(rules, widths, table.text_columns);
  for (const auto& cells : table.rows) {
    std::vector<std::string> clean;
    for (const std::string& cell : cells) clean.push_back(printable(cell));
    result += line(clean, widths, table.text_columns);
  }
  if (!table.notes.empty()) result += "\n";
  for (const std::string& note : table.notes) result += "- " + printable(note) + "\n";
  return result;
}

std::string markdown(const Table& table) {
  if (table.rows.empty()) return "";
  std::string result = "|", rule = "\n|";
  for (size_t i = 0; i < table.header.size(); ++i) {
    std::string cell;
    for (const std::string& header : table.header[i]) cell.append(cell.empty() ? "" : " ").append(escaped_for_markdown(header));
    result += " " + cell + " |";
    rule += i < table.text_columns ? " :--- |" : " ---: |";
  }
  result += rule + "\n";
  for (const auto& cells : table.rows) {
    result += "|";
    for (const std::string& cell : cells) result.append(" ").append(escaped_for_markdown(cell)).append(" |");
    result += "\n";
  }
  if (!table.notes.empty()) result += "\n";
  for (const std::string& note : table.notes) result.append("- ").append(escaped_for_markdown(note)).append("\n");
  return result;
}

std::string format_number(double value, int decimals) {
  if (!std::isfinite(value)) return "-";
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*f", decimals, value);
  return buffer;
}

std::string shell_word(const std::string& path) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("/._-+=,").find(c) != std::string_view::npos;
  };
  if (!path.empty() && std::all_of(path.begin(), path.end(), plain)) return path;
  std::string word = "'";
  for (const char c : path) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

size_t display_width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace liere::report
