#include "report/table.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <functional>
#include <set>

#include "core/log.h"
#include "report/groups.h"
#include "report/notes.h"
#include "report/palette.h"
#include "report/sizes.h"
#include "report/statistics.h"

namespace liere::report {
namespace {

std::string count_text(const std::optional<int64_t>& count) { return count ? format_count(*count) : "-"; }

/// Each interval end at the same width, so that right-aligned figures stand beneath each other.
std::string with_interval(const Accuracy& accuracy) {
  const std::string figure = format_number(accuracy.top1, 1);
  const auto interval = accuracy_interval(accuracy);
  if (!interval) return figure;
  char ends[48];
  std::snprintf(ends, sizeof ends, "  [%4.1f, %5.1f]", interval->low, interval->high);
  return figure + ends;
}

std::string top1_text(const ResolutionResult* result) { return result ? format_number(result->accuracy.top1, 1) : "-"; }

/// "99.1", over several seeds "99.1 ± 0.2"; "-" where one of them is missing.
std::string spread_text(const Group& group, const std::function<double(const Run&)>& figure) {
  const Spread spread = group.spread(figure);
  if (spread.count < group.runs.size()) return "-";
  return format_number(spread.mean, 1) + (spread.count > 1 ? " ± " + format_number(spread.deviation, 1) : "");
}

/// The one mark of all runs ("selected on test"); empty where they differ.
std::string common_mark(const std::vector<Run>& runs) {
  std::set<std::string> marks;
  for (const Run& run : runs)
    if (const std::string mark = run.best.mark(); !mark.empty()) marks.insert(mark);
  return marks.size() == 1 ? *marks.begin() : "";
}

std::string best_text(const Group& group, bool marked) {
  const std::string figure = spread_text(group, [](const Run& run) { return run.best.top1; });
  const std::string mark = group.runs.front()->best.mark();
  return figure + (marked && !mark.empty() ? ", " + mark : "");
}

std::string reach_text(const Group& group, double reach_percent) {
  const Spread seen = group.spread([&](const Run& run) {
    const auto samples = samples_to_reach(run.evals, reach_percent);
    return samples ? static_cast<double>(*samples) : kUnknown;
  });
  if (seen.count == 0) return "-";
  return seen.count < group.runs.size() ? std::to_string(seen.count) + " of " + std::to_string(group.runs.size()) : format_count(std::llround(seen.mean));
}

std::vector<std::string> row(const Group& group, const std::vector<Size>& sizes, double reach_percent, bool mark_best) {
  const Run& first = *group.runs.front();
  const auto top1 = [](const Run& run) { return run.accuracy().top1; };
  std::vector<std::string> cells = {group.label + (first.state == "done" ? "" : " *"), group.runs.size() == 1 ? with_interval(first.accuracy()) : spread_text(group, top1)};
  cells.push_back(best_text(group, mark_best));
  cells.push_back(spread_text(group, [](const Run& run) { return run.shuffle_test ? run.shuffle_test->after.top1 : kUnknown; }));
  cells.push_back(spread_text(group, [](const Run& run) { return run.shuffle_test ? run.shuffle_test->relative_drop : kUnknown; }));
  for (const Size& size : sizes)
    cells.push_back(spread_text(group, [&size](const Run& run) {
      const ResolutionResult* result = main_result(run, size);
      return result ? result->accuracy.top1 : kUnknown;
    }));
  if (sizes.empty()) cells.push_back("-");
  cells.push_back(reach_text(group, reach_percent));
  const double rate = group.spread([](const Run& run) { return run.samples_per_second; }).mean;
  cells.push_back(std::isnan(rate) ? "-" : format_count(std::llround(rate)));
  cells.push_back(count_text(first.parameters));
  return cells;
}

Table figures(const std::vector<Run>& runs, const std::vector<Group>& groups, double reach_percent) {
  const std::vector<Size> sizes = evaluated_sizes(runs);
  const std::string mark = common_mark(runs);
  Table table;
  table.header = {{"encoding"}, {"top-1 %", "[95 % interval]"}, {"best top-1 %"}, {"top-1 %", "shuffled"}, {"relative", "drop %"}};
  if (!mark.empty()) table.header[2].push_back(mark);
  for (const Size& size : sizes) table.header.push_back({"top-1 %", size_text(size)});
  if (sizes.empty()) table.header.push_back({"top-1 %", "other sizes"});
  table.header.insert(table.header.end(), {{"images seen", "to " + format_number(reach_percent, 0) + " %"}, {"images/s"}, {"parameters"}});
  for (const Group& group : groups) table.rows.push_back(row(group, sizes, reach_percent, mark.empty()));
  return table;
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

std::string line(const std::vector<std::string>& cells, const std::vector<size_t>& widths, const Table& table) {
  std::string result;
  for (size_t i = 0; i < cells.size(); ++i) result += (i ? "  " : "") + padded(cells[i], widths[i], table.is_text(i));
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
  Table table = figures(runs, group_by_seed(runs), reach_percent);
  table.title = table_title(runs);
  table.notes = table_notes(runs, reach_percent);
  return table;
}

Table make_runs_table(const std::vector<Run>& runs, double reach_percent) {
  Table table;
  if (group_by_seed(runs).size() == runs.size()) return table;
  std::vector<Group> single;
  for (const Run& run : runs) single.push_back({run.label, {&run}});
  table = figures(runs, single, reach_percent);
  table.title = "Each run by itself";
  return table;
}

Table make_size_table(const std::vector<Run>& runs) {
  const std::vector<Size> sizes = evaluated_sizes(runs);
  Table table;
  table.title = "Top-1 % at every size";
  table.header = {{"encoding"}, {"reading"}, {"positions"}};
  table.text_columns = 3;
  for (const Size& size : sizes) table.header.push_back({size_text(size)});
  const auto colors = method_colors(runs);
  bool more = false;
  for (const Run& run : runs) {
    const std::vector<Manner> shown = manners(run);
    more |= shown.size() > 1;
    for (const Manner& manner : shown) {
      table.rows.push_back({run.label, manner.reading, manner.positions});
      table.colors.push_back(colors.at(run.method));
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
    result += line(cells, widths, table);
  }
  std::vector<std::string> rules;
  for (const size_t width : widths) rules.push_back(std::string(width, '-'));
  result += line(rules, widths, table);
  for (const auto& cells : table.rows) {
    std::vector<std::string> clean;
    for (const std::string& cell : cells) clean.push_back(printable(cell));
    result += line(clean, widths, table);
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
    rule += table.is_text(i) ? " :--- |" : " ---: |";
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

std::string minus_signed(const std::string& number) {
  return number.size() > 1 && number[0] == '-' ? std::string("\u2212").append(number, 1) : number;
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
