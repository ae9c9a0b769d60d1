#include "report/table.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>

#include "core/log.h"
#include "report/notes.h"
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

std::vector<std::string> row(const Run& run, const std::vector<SizeColumn>& sizes, double reach_percent) {
  std::vector<std::string> cells = {run.label + (run.state == "done" ? "" : " *"), with_interval(run.accuracy())};
  cells.push_back(run.shuffle_test ? format_number(run.shuffle_test->after.top1, 1) : "-");
  cells.push_back(run.shuffle_test ? format_number(run.shuffle_test->relative_drop, 1) : "-");
  for (const SizeColumn& column : sizes) {
    const ResolutionResult* result = find_result(run, column);
    cells.push_back(result ? format_number(result->accuracy.top1, 1) : "-");
  }
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

std::string line(const std::vector<std::string>& cells, const std::vector<size_t>& widths) {
  std::string result;
  for (size_t i = 0; i < cells.size(); ++i) result += (i ? "  " : "") + padded(cells[i], widths[i], i == 0);
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

std::string SizeColumn::manner() const { return reading + (reading.empty() || positions.empty() ? "" : ", ") + positions; }

std::string SizeColumn::manner_in_words() const {
  return (reading.empty() ? "" : "reading " + reading) + (reading.empty() || positions.empty() ? "" : ", ") + (positions.empty() ? "" : "positions " + positions);
}

std::vector<SizeColumn> size_columns(const std::vector<Run>& runs) {
  std::vector<SizeColumn> columns;
  for (const Run& run : runs)
    for (const ResolutionResult& result : run.resolution_test) {
      const SizeColumn column{result.size, result.reading, result.positions};
      if (std::find(columns.begin(), columns.end(), column) == columns.end()) columns.push_back(column);
    }
  const auto volume = [](const SizeColumn& column) {
    double product = 1;
    for (const int64_t side : column.size) product *= static_cast<double>(side);
    return product;
  };
  std::stable_sort(columns.begin(), columns.end(), [&](const SizeColumn& a, const SizeColumn& b) { return volume(a) < volume(b); });
  return columns;
}

const ResolutionResult* find_result(const Run& run, const SizeColumn& column) {
  for (const ResolutionResult& result : run.resolution_test)
    if (column == SizeColumn{result.size, result.reading, result.positions}) return &result;
  return nullptr;
}

Table make_table(const std::vector<Run>& runs, double reach_percent) {
  const std::vector<SizeColumn> sizes = size_columns(runs);
  const bool one_manner = std::all_of(sizes.begin(), sizes.end(), [&](const SizeColumn& column) { return column.manner() == sizes[0].manner(); });
  Table table;
  table.header = {{"encoding"}, {"top-1 %", "[95 % interval]"}, {"top-1 %", "shuffled"}, {"relative", "drop %"}};
  for (const SizeColumn& column : sizes) {
    table.header.push_back({"top-1 %", size_text(column.size)});
    if (!one_manner) table.header.back().insert(table.header.back().end(), {column.reading, column.positions});
  }
  if (sizes.empty()) table.header.push_back({"top-1 %", "other sizes"});
  table.header.insert(table.header.end(), {{"images seen", "to " + format_number(reach_percent, 0) + " %"}, {"images/s"}, {"parameters"}});
  for (const Run& run : runs) table.rows.push_back(row(run, sizes, reach_percent));
  table.title = table_title(runs);
  table.notes = table_notes(runs, sizes, reach_percent);
  return table;
}

std::string text(const Table& table) {
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
    result += line(cells, widths);
  }
  std::vector<std::string> rules;
  for (const size_t width : widths) rules.push_back(std::string(width, '-'));
  result += line(rules, widths);
  for (const auto& cells : table.rows) {
    std::vector<std::string> clean;
    for (const std::string& cell : cells) clean.push_back(printable(cell));
    result += line(clean, widths);
  }
  result += "\n";
  for (const std::string& note : table.notes) result += "- " + printable(note) + "\n";
  return result;
}

std::string markdown(const Table& table) {
  std::string result = "|", rule = "\n|";
  for (size_t i = 0; i < table.header.size(); ++i) {
    std::string cell;
    for (const std::string& header : table.header[i]) cell += (cell.empty() ? "" : " ") + escaped_for_markdown(header);
    result += " " + cell + " |";
    rule += i == 0 ? " :--- |" : " ---: |";
  }
  result += rule + "\n";
  for (const auto& cells : table.rows) {
    result += "|";
    for (const std::string& cell : cells) result += " " + escaped_for_markdown(cell) + " |";
    result += "\n";
  }
  result += "\n";
  for (const std::string& note : table.notes) result += "- " + escaped_for_markdown(note) + "\n";
  return result;
}

std::string format_number(double value, int decimals) {
  if (!std::isfinite(value)) return "-";
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*f", decimals, value);
  return buffer;
}

std::string shell_word(const std::string& path) {
  const auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("/._-+=,").find(c) != std::string_view::npos; };
  if (!path.empty() && std::all_of(path.begin(), path.end(), plain)) return path;
  std::string word = "'";
  for (const char c : path) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

size_t display_width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace liere::report
