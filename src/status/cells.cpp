#include "status/cells.h"

#include <algorithm>
#include <tuple>

#include "core/config.h"
#include "sweep/sweep_file.h"

namespace liere::status {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> yaml_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

void add(const PaperEntry& entry, const Training& training, std::vector<Cell>& cells) {
  if (entry.table.empty() || entry.paper.empty() || entry.small_model_of) return;  // not of the paper
  if (std::none_of(cells.begin(), cells.end(), [&entry](const Cell& cell) { return is_same_cell(cell.entry, entry); }))
    cells.push_back({entry, training});
}

void add_configuration(const fs::path& path, std::vector<Cell>& cells) {
  const ConfigNode root = load_config(path, {});
  const ConfigNode* reproduces = root.find("reproduces");
  if (!reproduces || reproduces->origin.source != path.string()) return;  // what is inherited belongs to another file
  for (const PaperEntry& entry : read_reproduces(*reproduces)) add(entry, {path.filename().string(), {}}, cells);
}

void add_sweep(const fs::path& path, std::vector<Cell>& cells) {
  for (const sweep::Point& point : sweep::points_of(sweep::read_sweep(path))) {
    Training training{point.config, {}};
    std::vector<PaperEntry> entries;
    for (const std::string& text : point.overrides) {
      if (text.starts_with("reproduces="))
        entries = read_reproduces(parse_yaml(text.substr(text.find('=') + 1), path.string()));
      else if (!text.starts_with("output=") && !text.starts_with("seed="))
        training.overrides.push_back(text);
    }
    for (const PaperEntry& entry : entries) add(entry, training, cells);
  }
}

auto row_key(const std::string& row) {
  static const std::vector<std::string> order = {"none",  "layers",   "heads",       "both",       "tiny",    "base",
                                                 "large", "absolute", "VisionLLaMA", "RoPE-Mixed", "LieRE_8", "LieRE_64"};
  const auto found = std::find(order.begin(), order.end(), row);
  const size_t digit = row.find_first_of("0123456789");
  return std::tuple(found - order.begin(), digit == std::string::npos ? 0.0 : std::strtod(row.c_str() + digit, nullptr), row);
}

}  // namespace

std::string Training::text() const {
  std::string text = config;
  for (const std::string& given : overrides) text += " " + given;
  return text;
}

bool is_same_test(const PaperEntry& a, const PaperEntry& b) {
  return std::tie(a.test, a.size, a.positions, a.reading) == std::tie(b.test, b.size, b.positions, b.reading);
}

bool is_same_cell(const PaperEntry& a, const PaperEntry& b) {
  return std::tie(a.table, a.row, a.column, a.paper) == std::tie(b.table, b.row, b.column, b.paper) && is_same_test(a, b);
}

std::vector<std::string> ordered_rows(std::vector<std::string> rows) {
  std::stable_sort(rows.begin(), rows.end(), [](const std::string& a, const std::string& b) { return row_key(a) < row_key(b); });
  return rows;
}

std::vector<Cell> read_cells(const fs::path& configs) {
  std::vector<Cell> cells;
  for (const fs::path& path : yaml_files(configs)) add_configuration(path, cells);
  for (const fs::path& path : yaml_files(configs / "sweeps")) add_sweep(path, cells);
  std::stable_sort(cells.begin(), cells.end(), [](const Cell& a, const Cell& b) { return a.entry.table < b.entry.table; });
  return cells;
}

}  // namespace liere::status
