// Every cell of the paper's tables has a configuration or a sweep that says what to expect of it: the tables below are written after the paper, row by row.
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "core/check.h"
#include "core/files.h"
#include "core/reproduces.h"
#include "support/catch.h"
#include "sweep/sweep_file.h"

using namespace liere;
using namespace liere::sweep;
namespace fs = std::filesystem;

namespace {

/// "B LieRE_8 | CIFAR-100 | v5 | shuffle | 0" -> its entries.
using Cells = std::map<std::string, std::vector<PaperEntry>>;

std::string name_of(const PaperEntry& entry) {
  return entry.table + " " + entry.row + " | " + entry.column + " | " + entry.paper + " | " + entry.test;
}

void collect(Cells& cells, const std::vector<PaperEntry>& entries) {
  for (const auto& entry : entries)
    if (!entry.table.empty() && !entry.paper.empty()) cells[name_of(entry)].push_back(entry);
}

/// Of all files in configs/ and of the points of all sweeps that say something of their own.
const Cells& cells_of_project() {
  static const Cells cells = [] {
    Cells found;
    const auto folder = fs::path(LIERE_SOURCE_DIR) / "configs";
    for (const auto& file : fs::directory_iterator(folder)) {
      if (file.path().extension() != ".yaml") continue;
      const auto node = load_config(file.path(), {});
      if (const auto* list = node.find("reproduces")) collect(found, read_reproduces(*list));
    }
    for (const auto& file : fs::directory_iterator(folder / "sweeps"))
      for (const auto& point : points_of(read_sweep(file.path())))
        for (const auto& text : point.overrides)
          if (text.starts_with("reproduces=")) collect(found, read_reproduces(parse_yaml(text.substr(11), file.path().string())));
    return found;
  }();
  return cells;
}

std::vector<std::string> words(const std::string& line, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(line);
  for (std::string part; std::getline(stream, part, separator);) {
    const auto first = part.find_first_not_of(' '), last = part.find_last_not_of(' ');
    parts.push_back(first == std::string::npos ? "" : part.substr(first, last - first + 1));
  }
  return parts;
}

/// A table as in the paper: first line the columns, then "row | cell | cell"; '-' where the paper has none, '?' where it has a figure without numbers.
struct Table {
  std::string letter, paper, test, text;
  std::optional<double> PaperEntry::*figure = &PaperEntry::top1;
};

const std::vector<Table> kTables = {
    {"A", "v5", "accuracy", R"(| CIFAR-100 | ImageNet-1k | UCF101
absolute | 63.9 62.9-65.8 | 66.1 65.7-66.5 | 40.9 40.5-41.3
VisionLLaMA | 65.5 64.6-66.5 | 65.4 65.0-65.8 | 45.0 44.6-45.4
RoPE-Mixed | 68.8 67.9-69.7 | 68.8 68.4-69.2 | 46.3 45.9-46.7
LieRE_8 | 70.3 69.4-71.2 | 69.6 69.2-70.0 | 47.0 46.6-47.4
LieRE_64 | 70.0 69.1-70.9 | 69.3 68.9-69.7 | 44.7 44.3-45.1)"},
    {"A", "v5", "accuracy", R"(| CIFAR-100
absolute | 1.56
VisionLLaMA | 1.56
RoPE-Mixed | 1.38
LieRE_8 | 1.36
LieRE_64 | 1.37)",
     &PaperEntry::loss},
    {"A", "v1", "accuracy", R"(| RSNA
absolute | 80.7
RoPE-Mixed | 81.9
LieRE_64 | 82.7)"},
    {"B", "v5", "shuffle", R"(| CIFAR-100 | UCF101
absolute | 19.6 | 39.5
VisionLLaMA | 29.7 | 37.0
RoPE-Mixed | 17.1 | 28.2
LieRE_8 | 12.3 | 27.8
LieRE_64 | 10.8 | 28.0)"},
    {"B", "v5", "shuffle", R"(| CIFAR-100 | UCF101
absolute | 69.3 | 0.0
VisionLLaMA | 54.8 | 17.7
RoPE-Mixed | 75.1 | 39.1
LieRE_8 | 82.5 | 40.9
LieRE_64 | 84.6 | 37.4)",
     &PaperEntry::relative_drop},
    {"C", "v5", "accuracy", R"(| 108
absolute | 45.1
VisionLLaMA | 46.4
RoPE-Mixed | 100
LieRE_8 | 99.5
LieRE_64 | 100)"},
    {"C", "v5", "resolution", R"(| 168 | 276
absolute | 41.0 | 40.1
VisionLLaMA | 48.6 | 48.6
RoPE-Mixed | 98.6 | 88.6
LieRE_8 | 99.7 | 99.7
LieRE_64 | 100 | 100)"},
    {"D", "v5", "accuracy", R"(| none | layers | heads | both
RoPE-Mixed | 68.8 | 68.7 | 69.5 | 68.3
LieRE_64 | 70.0 | 69.5 | 69.7 | 69.4
LieRE_8 | 70.3 | 69.8 | 69.7 | 69.5)"},
    {"E", "v5", "accuracy", R"(| CIFAR-100 | UCF101
b = 2 | 68.84 | 46.30
b = 4 | 69.28 | 45.67
b = 8 | 70.32 | 47.03
b = 16 | 69.85 | 46.86
b = 32 | 69.65 | 46.42
b = 64 | 69.99 | 44.68)"},
    {"F", "v5", "best", R"(| 20 % | 30 % | 40 % | 50 % | 60 % | 70 % | 80 % | 90 %
absolute | ? | ? | ? | ? | ? | ? | ? | ?
VisionLLaMA | ? | ? | ? | ? | ? | ? | ? | ?
RoPE-Mixed | ? | ? | ? | ? | ? | ? | ? | ?
LieRE_8 | ? | ? | ? | ? | ? | ? | ? | ?
LieRE_64 | ? | ? | ? | ? | ? | ? | ? | ?)"},
    {"G", "v5", "epochs-to-reach", "| CIFAR-100\nLieRE_8 | 3.9", &PaperEntry::epochs_factor},
    {"G", "v1", "epochs-to-reach", "| CIFAR-100\nLieRE_64 | 3.5", &PaperEntry::epochs_factor},
    {"H", "v5", "accuracy", R"(| tiny | base | large
absolute | 57.2 | 63.9 | 60.5
VisionLLaMA | 58.2 | 65.5 | 62.3
RoPE-Mixed | 65.4 | 68.8 | 68.8
LieRE_8 | 65.6 | 70.3 | 69.9
LieRE_64 | 65.3 | 70.0 | 68.9)"},
    {"H", "v5", "accuracy", R"(| start 2 pi | start 1
RoPE-Mixed | 68.8 | 66.2
LieRE_8 | 70.3 | 69.1)"},
    {"I", "v5", "resolution", R"(| 192 | 256 | 320 | 384 | 448
absolute | ? | ? | ? | ? | ?
VisionLLaMA | ? | ? | ? | ? | ?
RoPE-Mixed | ? | ? | ? | ? | ?
LieRE_8 | ? | ? | ? | ? | ?
LieRE_64 | ? | ? | ? | ? | ?)"},
    {"L", "v1", "accuracy", R"(| CIFAR-100 | ImageNet-1k | UCF101 | RSNA
absolute | 63.9 | 66.1 | 44.4 | 80.7
VisionLLaMA | 65.8 | - | - | -
RoPE-Mixed | 66.7 | 68.5 | 48.6 | 81.9
LieRE_64 | 69.4 | 68.8 | 51.1 | 82.7)"},
    {"L", "v1", "shuffle", R"(| CIFAR-100 | UCF101
absolute | 19.6 | 44.0
VisionLLaMA | 29.7 | -
RoPE-Mixed | 16.5 | 36.6
LieRE_64 | 15.9 | 32.2)"},
};

}  // namespace

TEST_CASE("every cell of the paper's tables is an entry of a configuration or sweep with the paper's figure - and there are no others", "[cells]") {
  std::set<std::string> expected;
  for (const auto& table : kTables) {
    auto lines = words(table.text, '\n');
    const auto columns = words(lines.front(), '|');
    for (size_t line = 1; line < lines.size(); ++line) {
      const auto cells = words(lines[line], '|');
      REQUIRE(cells.size() == columns.size());
      for (size_t column = 1; column < cells.size(); ++column) {
        if (cells[column] == "-") continue;
        const auto name = table.letter + " " + cells[0] + " | " + columns[column] + " | " + table.paper + " | " + table.test;
        INFO(name);
        expected.insert(name);
        const auto found = cells_of_project().find(name);
        REQUIRE(found != cells_of_project().end());
        for (const auto& entry : found->second) {
          const auto value = entry.*table.figure;
          CHECK(value.has_value() == (cells[column] != "?"));
          if (!value) continue;
          double figure = 0, low = 0, high = 0;
          const int given = std::sscanf(cells[column].c_str(), "%lf %lf-%lf", &figure, &low, &high);
          CHECK(*value == figure);
          if (given == 3) CHECK(entry.interval == std::vector<double>{low, high});
        }
      }
    }
  }
  for (const auto& [name, entries] : cells_of_project()) {
    INFO(name);
    CHECK(expected.count(name) == 1);
  }
}

TEST_CASE("a configuration's comment gives the figures of its entries", "[cells]") {
  int compared = 0;
  for (const auto& file : fs::directory_iterator(fs::path(LIERE_SOURCE_DIR) / "configs")) {
    if (file.path().extension() != ".yaml") continue;
    INFO(file.path());
    const auto text = read_file(file.path());
    const auto comment = text.substr(text.find("# Expected:"), text.find('\n', text.find("# Expected:")) - text.find("# Expected:"));
    const auto node = load_config(file.path(), {});
    const auto* list = node.find("reproduces");
    REQUIRE(list != nullptr);
    for (const auto& entry : read_reproduces(*list)) {
      if (!entry.top1 || (entry.table != "A" && entry.table != "C")) continue;
      char figure[32];
      std::snprintf(figure, sizeof figure, "%.10g", *entry.top1);
      CHECK_THAT(comment, Catch::Contains(figure));
      ++compared;
    }
  }
  CHECK(compared == 15 + 3 + 15);
}

TEST_CASE("an entry that is wrong is refused with what was expected", "[cells]") {
  const auto error = [](const std::string& text) {
    try {
      read_reproduces(parse_yaml(text, "t"));
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(error("- {table: A, row: LieRE_8, top1: 70.3}").empty());
  CHECK(error("- {note: a control, top1: 20}").empty());
  CHECK(error("~").empty());
  CHECK_THAT(error("{table: A, row: x}"), Catch::Contains("expected a list of entries"));
  CHECK_THAT(error("- 3"), Catch::Contains("t:1:3") && Catch::Contains("expected entries"));
  CHECK_THAT(error("- {top1: 3}"), Catch::Contains("a table's letter"));
  CHECK_THAT(error("- {paper: v5, note: x}"), Catch::Contains("without a table"));
  CHECK_THAT(error("- {table: N, row: x}"), Catch::Contains("from A to M, found 'N'"));
  CHECK_THAT(error("- {table: A, row: x, paper: v2}"), Catch::Contains("v1 or v5"));
  CHECK_THAT(error("- {table: A, row: x, tset: shuffle}"), Catch::Contains("'test'"));
  CHECK_THAT(error("- {table: A, row: x, test: shufle}"), Catch::Contains("found 'shufle'"));
  CHECK_THAT(error("- {table: A, row: x, top1: 170}"), Catch::Contains("170"));
  CHECK_THAT(error("- {table: A, row: x, interval: [1, 2]}"), Catch::Contains("is of top1"));
  CHECK_THAT(error("- {table: A, row: x, top1: 1, interval: [2, 1]}"), Catch::Contains("[low, high]"));
  CHECK_THAT(error("- {table: C, row: x, test: resolution}"), Catch::Contains("expected size"));
  CHECK_THAT(error("- {table: C, row: x, size: 3}"), Catch::Contains("belong to test: resolution"));
}
