// The paper's tables as tables: text, Markdown, CSV and LaTeX alike; on a page with both intervals drawn.
#include <algorithm>
#include <cmath>
#include <map>

#include "report/html.h"
#include "report/palette.h"
#include "report/paper.h"

namespace liere::report {
namespace {

const char* figure_name(Figure figure) {
  switch (figure) {
    case Figure::kTop1:
      return "top-1 %";
    case Figure::kLoss:
      return "loss";
    case Figure::kRelativeDrop:
      return "relative drop %";
    case Figure::kEpochsFactor:
      return "times fewer epochs";
  }
  return "";
}

int decimals(Figure figure) { return figure == Figure::kLoss || figure == Figure::kEpochsFactor ? 2 : 1; }

std::string with_interval(double value, const std::optional<Interval>& interval, int places) {
  const auto text = [places](double number) { return minus_signed(format_number(number, places)); };
  return interval && std::isfinite(value) ? text(value) + " [" + text(interval->low) + ", " + text(interval->high) + "]" : text(value);
}

std::string difference(const PaperCell& cell) {
  if (std::isnan(cell.ours.mean) || std::isnan(cell.paper)) return "-";
  const std::string text = format_number(cell.ours.mean - cell.paper, decimals(cell.figure));
  return text.starts_with("-") ? minus_signed(text) : "+" + text;
}

/// What the group is called behind its method: "50 % of the data, 3 seeds", or its folder.
std::string group_mark(const Group& group) {
  const size_t open = group.label.find(" ("), close = group.label.find(')', open);
  return open == std::string::npos || close == std::string::npos ? group.runs.front()->shown_folder
                                                                 : group.label.substr(open + 2, close - open - 2);
}

std::string test_name(const PaperEntry& entry) {
  if (entry.test == "shuffle") return "shuffled: ";
  if (entry.test == "shuffle-frames") return "frames shuffled: ";
  if (entry.test == "best") return "best in training: ";
  if (entry.test != "resolution") return "";
  return std::to_string(*entry.size) + " pixels" + (entry.reading.empty() ? "" : ", " + entry.reading) +
         (entry.positions.empty() ? "" : ", " + entry.positions) + ": ";
}

std::string marks_of(const std::vector<std::string>& remarks, std::vector<std::string>& all) {
  std::string marks;
  for (const std::string& remark : remarks) {
    const auto found = std::find(all.begin(), all.end(), remark);
    marks.append(marks.empty() ? "" : ",").append(std::to_string(found - all.begin() + 1));
    if (found == all.end()) all.push_back(remark);
  }
  return marks.empty() ? "" : std::string(" (").append(marks).append(")");
}

Whisker whisker(double value, const std::optional<Interval>& interval, const std::string& color, const std::string& title) {
  Whisker result{.value = value, .color = color, .title = title};
  if (interval) {
    result.low = interval->low;
    result.high = interval->high;
  }
  return result;
}

/// Ours above the paper's, on one axis for all rows of the same figure.
void add_pictures(const std::vector<const PaperCell*>& cells, Table& table) {
  std::map<std::pair<Figure, std::string>, std::vector<Whisker>> axes;
  std::vector<std::vector<Whisker>> rows;
  for (size_t i = 0; i < cells.size(); ++i) {
    const PaperCell& cell = *cells[i];
    const int places = decimals(cell.figure);
    rows.push_back({whisker(cell.ours.mean, cell.ours.interval, page_color(table.colors[i]),
                            "ours " + with_interval(cell.ours.mean, cell.ours.interval, places)),
                    whisker(cell.paper, cell.paper_interval, "var(--paper)", "paper " + with_interval(cell.paper, cell.paper_interval, places))});
    auto& axis = axes[{cell.figure, cell.entry.column}];
    axis.insert(axis.end(), rows.back().begin(), rows.back().end());
  }
  for (size_t i = 0; i < cells.size(); ++i)
    table.pictures.push_back(whiskers_svg(rows[i], axis_of(axes[{cells[i]->figure, cells[i]->entry.column}])));
  table.picture_title = "ours, paper in grey";
  table.picture_column = 6;
}

std::vector<std::string> row(const PaperCell& cell, const std::vector<const PaperCell*>& cells, std::vector<std::string>& remarks) {
  const PaperEntry& entry = cell.entry;
  // Two configurations that claim one cell are told apart by their runs.
  const bool claimed_twice = std::any_of(cells.begin(), cells.end(), [&cell](const PaperCell* other) {
    return other->entry.row == cell.entry.row && other->entry.column == cell.entry.column && other->figure == cell.figure &&
           other->entry.test == cell.entry.test && other->entry.size == cell.entry.size && other->group.runs.front() != cell.group.runs.front();
  });
  const int places = decimals(cell.figure);
  const std::string paper = with_interval(cell.paper, cell.paper_interval, cell.figure == Figure::kEpochsFactor ? 1 : places);
  return {entry.row + (claimed_twice ? std::string(" (").append(group_mark(cell.group)).append(")") : "") + marks_of(cell.remarks, remarks),
          entry.column,
          test_name(entry) + figure_name(cell.figure),
          with_interval(cell.ours.mean, cell.ours.interval, places),
          cell.ours.seeds ? std::to_string(cell.ours.seeds) : "-",
          paper,
          difference(cell),
          cell.verdict + (cell.ours.seeds == 1 ? ", one seed" : "")};
}

void add_notes(const std::vector<const PaperCell*>& cells, const std::vector<std::string>& remarks, Table& table) {
  const auto any = [&cells](const auto& holds) {
    return std::any_of(cells.begin(), cells.end(), [&holds](const PaperCell* cell) { return holds(*cell); });
  };
  for (const auto& [version, name] : {std::pair<std::string, std::string>{"v1", "v1"}, {"v5", "v5 (ICML 2025)"}})
    if (any([&version = version](const PaperCell& cell) { return cell.entry.paper == version; }))
      table.notes.push_back("Paper: arXiv 2406.10322" + name + ".");
  std::string over;
  for (const auto& [kind, words] : {std::pair<std::string, std::string>{"seeds and samples", "several seeds: over seeds and test samples"},
                                    {"seeds", "where no samples are kept: over seeds alone, for this test set (Student's t)"},
                                    {"samples", "one seed: over test samples alone"},
                                    {"evaluations", "times fewer epochs, one seed: no interval of chance, but from the evaluation that reaches the level to the one before"}})
    if (any([&kind = kind](const PaperCell& cell) { return cell.ours.over == kind; })) over += (over.empty() ? "" : "; ") + words;
  if (!over.empty()) table.notes.push_back("Our 95 % intervals, " + over + ".");
  if (any([](const PaperCell& cell) { return cell.figure == Figure::kEpochsFactor && std::isfinite(cell.ours.mean); }))
    table.notes.push_back(
        "Times fewer epochs: epochs of the absolute encoding's run by those of the first evaluation that reaches its accuracy at the end; "
        "evaluations lie apart, so the factor is at least this.");
  for (size_t i = 0; i < remarks.size(); ++i) table.notes.push_back("(" + std::to_string(i + 1) + ") " + remarks[i]);
}

}  // namespace

std::vector<Table> paper_tables(const std::vector<PaperCell>& cells) {
  std::map<std::string, std::vector<const PaperCell*>> letters;
  for (const PaperCell& cell : cells) letters[cell.entry.table].push_back(&cell);
  std::vector<Run> runs;  // in one list, so that a method has one colour in all tables
  for (const PaperCell& cell : cells)
    for (const Run* run : cell.group.runs) runs.push_back(*run);
  const auto colors = method_colors(runs);
  std::vector<Table> tables;
  for (const auto& [letter, of_letter] : letters) {
    Table table;
    table.title = "Table " + letter + ": " + paper_table(letter).value_or("");
    table.text_columns = 3;
    table.text_columns_at_end = 1;
    table.header = {{"row"},        {"column"}, {"figure"}, {"ours", "[95 % interval]"}, {"seeds"}, {"paper", "[95 % interval]"},
                    {"difference"}, {"verdict"}};
    std::vector<std::string> remarks;
    for (const PaperCell* cell : of_letter) {
      table.rows.push_back(row(*cell, of_letter, remarks));
      table.colors.push_back(colors.at(cell->group.runs.front()->method));
    }
    add_notes(of_letter, remarks, table);
    add_pictures(of_letter, table);
    tables.push_back(std::move(table));
  }
  return tables;
}

}  // namespace liere::report
