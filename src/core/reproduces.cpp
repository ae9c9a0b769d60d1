#include "core/reproduces.h"

#include <array>

#include "core/check.h"

namespace liere {

template <class V>
void fields(V& v, CellName& c) {
  v("table", c.table, "");
  v("row", c.row, "");
  v("column", c.column, "");
}

template <class V>
void fields(V& v, PaperEntry& c) {
  v("table", c.table, "");
  v("row", c.row, "");
  v("column", c.column, "");
  v("paper", c.paper, "");
  v("test", c.test, "");
  v("size", c.size, "", at_least(1));
  v("positions", c.positions, "");
  v("reading", c.reading, "");
  v("top1", c.top1, "", between(0.0, 100.0));
  v("loss", c.loss, "");
  v("relative_drop", c.relative_drop, "");
  v("epochs_factor", c.epochs_factor, "", positive());
  v("interval", c.interval, "", between(0.0, 100.0));
  v("note", c.note, "");
  v("small_model_of", c.small_model_of, "");
  v("deviations", c.deviations, "");
}

namespace {

[[noreturn]] void fail(const ConfigNode& node, const std::string& expected) { throw ConfigError(node.origin.text() + ": " + expected); }

bool is_among(const std::string& value, std::initializer_list<const char*> values) {
  for (const char* one : values)
    if (value == one) return true;
  return false;
}

}  // namespace

PaperEntry read_paper_entry(const ConfigNode& node) {
  if (node.type != ConfigNode::Type::kMap) fail(node, "reproduces: expected entries {table: A, row: LieRE_8, column: CIFAR-100, paper: v5, top1: 70.3}.");
  PaperEntry entry;
  decode(node, entry);
  if (entry.table.empty()) {
    if (entry.note.empty()) fail(node, "reproduces: an entry has a table's letter (table: A), or a note that says what is expected beside the paper's tables.");
    if (!entry.paper.empty()) fail(node, "reproduces: paper: " + entry.paper + " without a table: expected its letter, A to M.");
    return entry;
  }
  if (!paper_table(entry.table)) fail(node, "table: expected a letter from A to M, found '" + entry.table + "'");
  if (entry.row.empty()) fail(node, "expected a row (\"LieRE_8\")");
  if (!entry.paper.empty() && !is_among(entry.paper, {"v1", "v5"})) fail(node, "paper: expected v1 or v5, found '" + entry.paper + "'");
  if (!is_among(entry.test, {"accuracy", "shuffle", "shuffle-frames", "resolution", "best", "epochs-to-reach"}))
    fail(node, "test: expected accuracy, shuffle, shuffle-frames, resolution, best or epochs-to-reach, found '" + entry.test + "'");
  if (!entry.interval.empty() && (entry.interval.size() != 2 || entry.interval[0] > entry.interval[1])) fail(node, "interval: expected [low, high]");
  if (!entry.interval.empty() && !entry.top1) fail(node, "interval: is of top1, which is not there");
  if (entry.test == "resolution" && !entry.size) fail(node, "expected size, the side in pixels, with test: resolution");
  if (entry.test != "resolution" && (entry.size || !entry.positions.empty() || !entry.reading.empty())) fail(node, "size, positions and reading belong to test: resolution, found test: " + entry.test);
  return entry;
}

std::vector<PaperEntry> read_reproduces(const ConfigNode& node) {
  std::vector<PaperEntry> entries;
  if (node.type == ConfigNode::Type::kNull) return entries;
  if (node.type != ConfigNode::Type::kSequence)
    fail(node, "reproduces: expected a list of entries, [{table: A, row: LieRE_8, column: CIFAR-100, paper: v5, top1: 70.3}] or [{note: \"..\"}].");
  for (const ConfigNode& item : node.items) entries.push_back(read_paper_entry(item));
  return entries;
}

std::optional<std::string> paper_table(const std::string& letter) {
  static const std::array<const char*, 13> names = {"Main results",
                                                    "Patch shuffling at evaluation",
                                                    "Synthetic spatial task",
                                                    "Sharing of generators",
                                                    "Block size",
                                                    "Data efficiency",
                                                    "Compute efficiency",
                                                    "Model size and initialisation",
                                                    "Larger pictures",
                                                    "Statistics",
                                                    "Pictures",
                                                    "First version of the paper",
                                                    "Further checks"};
  if (letter.size() != 1 || letter[0] < 'A' || letter[0] > 'M') return std::nullopt;
  return names[static_cast<size_t>(letter[0] - 'A')];
}

}  // namespace liere
