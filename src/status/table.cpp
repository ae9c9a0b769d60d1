#include "status/table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "core/check.h"
#include "report/paper.h"
#include "status/matches.h"

namespace liere::status {
namespace {

constexpr const char* kBegin = "<!-- status: written by scripts/status.sh -->\n";
constexpr const char* kEnd = "<!-- end of status -->\n";

/// One decimal, or two where the figure has them.
std::string number(double value) {
  const bool one = std::abs(value * 10 - std::round(value * 10)) < 1e-6;
  return report::minus_signed(report::format_number(value, one ? 1 : 2));
}

std::string interval_text(const std::vector<double>& ends) { return ends.empty() ? "" : " (" + number(ends[0]) + "-" + number(ends[1]) + ")"; }

struct Figures {
  std::optional<double> top1, relative_drop, epochs_factor, loss;
  std::vector<double> interval, drop_interval, epochs_interval, loss_interval;
};

std::string text(const Figures& f) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (f.top1) add(number(*f.top1) + interval_text(f.interval));
  if (f.relative_drop) add("drop " + number(*f.relative_drop) + " %" + interval_text(f.drop_interval));
  if (f.epochs_factor) add(number(*f.epochs_factor) + " times" + interval_text(f.epochs_interval));
  if (f.loss) add("loss " + report::format_number(*f.loss, 2));
  return text.empty() ? "a picture" : text;
}

Figures figures(const PaperEntry& e) { return {e.top1, e.relative_drop, e.epochs_factor, e.loss, e.interval, {}, {}, {}}; }
Figures figures(const Result& r) { return {r.top1, r.relative_drop, r.epochs_factor, r.loss, r.interval, r.drop_interval, r.epochs_interval, r.loss_interval}; }

/// "top-1 within the paper's interval, loss above" of what both have.
std::string verdicts(const Figures& ours, const Figures& paper, int64_t seeds, bool& reproduced) {
  std::string words;
  reproduced = true;
  const auto add = [&](const char* name, const std::optional<double>& mean, const std::vector<double>& interval, const std::optional<double>& value,
                       const std::vector<double>& of_paper, int decimals) {
    if (!mean || !value) return;
    const auto ends = [](const std::vector<double>& pair) { return pair.empty() ? std::nullopt : std::optional(Interval{pair[0], pair[1]}); };
    const report::Estimate estimate{.mean = *mean, .seeds = static_cast<size_t>(seeds), .interval = ends(interval), .over = ""};
    const std::string verdict = report::verdict(estimate, *value, ends(of_paper), decimals);
    if (words.empty()) reproduced = verdict.starts_with("within") || verdict == "equal";  // of the first figure
    words += (words.empty() ? "" : ", ") + std::string(name) + " " + verdict;
  };
  add("top-1", ours.top1, ours.interval, paper.top1, paper.interval, 1);
  add("drop", ours.relative_drop, ours.drop_interval, paper.relative_drop, {}, 1);
  add("epochs", ours.epochs_factor, ours.epochs_interval, paper.epochs_factor, {}, 1);
  add("loss", ours.loss, ours.loss_interval, paper.loss, {}, 2);
  if (words.empty()) words = "the paper has no figure to hold it against";
  return words;
}

/// Of ours what the paper has too; all of it where the paper shows a picture.
Figures beside(Figures ours, const Figures& paper) {
  if (!paper.top1 && !paper.relative_drop && !paper.epochs_factor && !paper.loss) return ours;
  if (!paper.top1) ours.top1.reset();
  if (!paper.relative_drop) ours.relative_drop.reset();
  if (!paper.epochs_factor) ours.epochs_factor.reset();
  if (!paper.loss) ours.loss.reset();
  return ours;
}

/// Where a figure is from; of another table's run the table alone, which says it.
std::string origin(const Result& r, const Cell& cell) {
  if (r.cell.table != cell.entry.table) return "as in " + r.cell.table;
  return (r.seeds == 1 ? "one seed" : std::to_string(r.seeds) + " seeds") + ", " + r.device + ", [" + r.date + "](" + r.source + "), " + r.commit +
         (r.note.empty() ? "" : "; " + r.note);
}

std::string joined(const std::vector<std::string>& parts, const std::string& between) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : between) + part;
  return text;
}

std::string line(const std::string& cell, const std::string& paper, const std::string& ours, const std::string& state) {
  return "| " + cell + " | " + paper + " | " + ours + " | " + state + " |\n";
}

/// Tables whose columns are settings of one encoding have a line per row, the others a line per column.
bool is_by_row(const std::string& letter) { return std::string("CDFHI").find(letter) != std::string::npos; }

std::string heading(const PaperEntry& entry, bool by_row) {
  const std::string& name = by_row ? entry.row : entry.column;
  const bool told = entry.table == "L" && entry.test == "shuffle";
  const bool older = entry.paper == "v1" && entry.table != "L";
  return name + (told ? ", shuffled" : "") + (older ? " (v1)" : "");
}

struct Count {
  size_t cells = 0, reproduced = 0, different = 0, small = 0;
};

std::string measured_line(const std::string& name, const Cell& cell, const Result& result, Count& count) {
  bool reproduced = false;
  const Figures paper = figures(cell.entry), ours = beside(figures(result), paper);
  const std::string words = verdicts(ours, paper, result.seeds, reproduced);
  ++(reproduced ? count.reproduced : count.different);
  return line(name, text(paper), text(ours),
              std::string(reproduced ? "**reproduced**: " : "**measured, differs**: ") + words + "; " + origin(result, cell));
}

/// The cells of one line: those with a result stand by themselves, the others together.
std::string group_lines(const std::vector<const Cell*>& group, Matches& matches, Count& count) {
  const std::string& letter = group[0]->entry.table;
  const bool by_row = is_by_row(letter);
  const std::string head = heading(group[0]->entry, by_row);
  std::string lines;
  std::vector<std::string> names, papers, small;
  std::vector<const Cell*> left;
  for (const Cell* cell : group) {
    const std::string& name = by_row ? cell->entry.column : cell->entry.row;
    if (const Result* result = matches.result_of(*cell)) {
      lines += measured_line(head + ": " + name, *cell, *result, count);
      continue;
    }
    if (const Result* result = matches.small_of(*cell)) {
      ++count.small;
      small.push_back(name + ": " + text(figures(*result)) + " with " + result->small_model + ", [" + result->date + "](" + result->source + ")");
    }
    left.push_back(cell);
    names.push_back(name);
    papers.push_back(text(figures(cell->entry)));
  }
  if (left.empty()) return lines;
  const bool equal = std::set<std::string>(papers.begin(), papers.end()).size() == 1 && papers[0] == "a picture";
  return lines + line(head + ": " + joined(names, " / "), equal ? papers[0] : joined(papers, " / "),
                      small.empty() ? "" : "a small model only: " + joined(small, "; "), matches.what_is_left(left));
}

std::string table_lines(const std::vector<const Cell*>& cells, Matches& matches, Count& count) {
  const bool by_row = is_by_row(cells[0]->entry.table);
  std::vector<std::vector<const Cell*>> groups;
  const auto key = [by_row](const Cell& cell) {
    const PaperEntry& e = cell.entry;
    return std::tuple(e.paper, by_row ? e.row : e.column, by_row ? "" : e.test);
  };
  for (const Cell* cell : cells) {
    auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return key(*g[0]) == key(*cell); });
    if (group == groups.end()) group = groups.insert(groups.end(), std::vector<const Cell*>{});
    group->push_back(cell);
  }
  const auto position = [](const std::string& name, const std::vector<std::string>& order) {
    return std::find(order.begin(), order.end(), name) - order.begin();
  };
  std::vector<std::string> rows, columns;
  for (const Cell* cell : cells) rows.push_back(cell->entry.row), columns.push_back(cell->entry.column);
  rows = ordered_rows(rows), columns = ordered_rows(columns);
  for (auto& group : groups)
    std::stable_sort(group.begin(), group.end(), [&](const Cell* a, const Cell* b) {
      return by_row ? position(a->entry.column, columns) < position(b->entry.column, columns)
                    : position(a->entry.row, rows) < position(b->entry.row, rows);
    });
  if (by_row)
    std::stable_sort(groups.begin(), groups.end(),
                     [&](const auto& a, const auto& b) { return position(a[0]->entry.row, rows) < position(b[0]->entry.row, rows); });
  std::string lines;
  for (const auto& group : groups) lines += group_lines(group, matches, count);
  count.cells += cells.size();
  return lines;
}

std::string cost_lines(const std::vector<Cell>& cells, const Matches& matches) {
  struct Row {
    std::vector<std::string> names;
    double least = 0, most = 0;
  };
  std::vector<std::pair<std::pair<std::string, std::vector<int64_t>>, Row>> rows;
  for (const Cell& cell : cells) {
    const PaperEntry& e = cell.entry;
    if (e.table != "A" && e.table != "C" && e.table != "I" && !(e.table == "H" && e.column != "base" && !e.column.starts_with("start"))) continue;
    const Cost& cost = matches.cost_of(cell);
    const std::string data = e.table == "A"   ? e.column
                             : e.table == "C" ? "arrow task"
                             : e.table == "I" ? "ImageNet-1k at 256 pixels, 30 epochs"
                                              : "CIFAR-100, " + e.column;
    const auto key = std::pair(data, cost.micro_batch);
    auto row = std::find_if(rows.begin(), rows.end(), [&key](const auto& r) { return r.first == key; });
    if (row == rows.end()) row = rows.insert(rows.end(), {key, {{}, gpu_hours(cost), gpu_hours(cost)}});
    if (std::find(row->second.names.begin(), row->second.names.end(), e.row) == row->second.names.end()) row->second.names.push_back(e.row);
    row->second.least = std::min(row->second.least, gpu_hours(cost));
    row->second.most = std::max(row->second.most, gpu_hours(cost));
  }
  std::string lines = "| training | GPU hours | samples at once: 24 GB | 40 GB | 80 GB |\n|---|---|---|---|---|\n";
  for (const auto& [key, row] : rows) {
    const std::string least = hours_text(row.least), most = hours_text(row.most);
    lines += "| " + key.first + ": " + joined(ordered_rows(row.names), ", ") + " | " + (least == most ? least : least + " to " + most);
    for (const int64_t fits : key.second) lines += " | " + (fits ? std::to_string(fits) : std::string("none"));
    lines += " |\n";
  }
  return lines;
}

}  // namespace

std::string status_text(const std::vector<Cell>& cells, const Results& results, const std::vector<Cost>& costs) {
  Matches matches(cells, results.results, costs);
  Count count;
  std::string lines;
  for (char letter = 'A'; letter <= 'M'; ++letter) {
    const std::string name(1, letter);
    std::vector<const Cell*> of_letter;
    for (const Cell& cell : cells)
      if (cell.entry.table == name) of_letter.push_back(&cell);
    lines += line("**" + name + " " + *paper_table(name) + "**", "", "", "");
    if (!of_letter.empty()) lines += table_lines(of_letter, matches, count);
    for (const Check& check : results.checks)
      if (check.table == name) lines += line(check.cell, check.paper, check.ours, check.state);
  }
  const std::string counted = std::to_string(count.cells) + " cells: " + std::to_string(count.reproduced) + " reproduced, " +
                              std::to_string(count.different) + " measured with another figure, " +
                              std::to_string(count.cells - count.reproduced - count.different) + " not run (" + std::to_string(count.small) +
                              " of them with a small model). Trainings measured: " + std::to_string(matches.trainings_measured()) +
                              ". All that has not been run takes about " + hours_text(matches.hours_left()) + " GPU hours, one seed each.\n\n";
  return counted + "| cell | paper (95 % interval) | ours (95 % interval) | state |\n|---|---|---|---|\n" + lines +
         "\n### What a training takes\n\n" + cost_lines(cells, matches);
}

std::string with_status(const std::string& page, const std::string& text) {
  const size_t begin = page.find(kBegin), end = page.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin)
    throw ConfigError("the page has no place for the status: expected the lines '" + std::string(kBegin, std::string(kBegin).size() - 1) + "' and '" +
                      std::string(kEnd, std::string(kEnd).size() - 1) + "'.");
  return page.substr(0, begin) + kBegin + "\n" + text + "\n" + page.substr(end);
}

}  // namespace liere::status
