#include "report/run_config.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/files.h"

namespace liere::report {

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

PaperEntry read_entry(const ConfigNode& node) {
  PaperEntry entry;
  decode(node, entry);
  if (entry.row.empty()) fail(node, "expected a row (\"LieRE_8\")");
  if (!entry.paper.empty() && entry.paper != "v1" && entry.paper != "v5") fail(node, "paper: expected v1 or v5, found '" + entry.paper + "'");
  if (!table_name(entry.table)) fail(node, "table: expected a letter from A to M, found '" + entry.table + "'");
  if (!entry.interval.empty() && (entry.interval.size() != 2 || entry.interval[0] > entry.interval[1])) fail(node, "interval: expected [low, high]");
  if (entry.test == "resolution" && !entry.size) fail(node, "expected size, the side in pixels, with test: resolution");
  return entry;
}

void read_reproduces(const ConfigNode& node, RunConfig& config) {
  if (node.type == ConfigNode::Type::kNull) return;
  if (node.type != ConfigNode::Type::kSequence) {
    // A map is the form before there was a list: {paper: .., table: "main results, CIFAR-100", ..}, or a note alone.
    if (node.find("table")) config.left_out.push_back(node.origin.text() + ": expected a list of entries with a table's letter, found an older form");
    return;
  }
  for (const ConfigNode& item : node.items) {
    const bool names_a_cell = item.find("table") != nullptr;
    if (item.type == ConfigNode::Type::kMap && !names_a_cell && item.find("note")) continue;  // a control: beside no table
    try {
      config.reproduces.push_back(read_entry(item));
    } catch (const ConfigError& error) {
      config.left_out.push_back(error.what());
    }
  }
}

const ConfigNode* find(const ConfigNode& root, const std::vector<std::string>& path) {
  const ConfigNode* node = &root;
  for (const std::string& key : path) {
    if (node->type != ConfigNode::Type::kMap) return nullptr;
    node = node->find(key);
    if (!node) return nullptr;
  }
  return node;
}

std::optional<double> number(const ConfigNode& root, const std::vector<std::string>& path) {
  const ConfigNode* node = find(root, path);
  if (!node || node->type != ConfigNode::Type::kScalar) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(node->scalar.c_str(), &end);
  return node->scalar.empty() || *end != '\0' || !std::isfinite(value) ? std::nullopt : std::optional(value);
}

std::string scalar(const ConfigNode& root, const std::vector<std::string>& path) {
  const ConfigNode* node = find(root, path);
  return node && node->type == ConfigNode::Type::kScalar ? node->scalar : "";
}

/// As the training's summary labels encodings.
std::string label_of(const RunConfig& config) {
  if (config.encoding == "liere") return config.block_size ? "LieRE_" + std::to_string(*config.block_size) : "";
  if (config.encoding == "rope_mixed") return "RoPE-Mixed";
  if (config.encoding == "visionllama") return "VisionLLaMA";
  return config.encoding == "rope" ? "RoPE" : config.encoding;
}

}  // namespace

RunConfig read_run_config(const std::filesystem::path& path) {
  RunConfig config;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return config;
  ConfigNode root;
  try {
    root = parse_config(read_file(path, kMaxConfigBytes), path.string());
  } catch (const ConfigError& error) {
    throw DataError(std::string(error.what()) + " The run's config.yaml is damaged: restore it, or remove it to report without the paper's tables.");
  }
  if (const ConfigNode* reproduces = root.find("reproduces")) read_reproduces(*reproduces, config);
  if (const auto block = number(root, {"model", "position", "block_size"}); block && *block >= 1) config.block_size = std::llround(*block);
  config.data_fraction = number(root, {"data", "fraction"});
  config.encoding = scalar(root, {"model", "position", "kind"});
  config.dataset = scalar(root, {"data", "kind"});
  if (const auto seed = number(root, {"seed"}); seed && *seed >= 0) config.seed = std::llround(*seed);
  config.label = label_of(config);
  return config;
}

std::optional<std::string> table_name(const std::string& letter) {
  static const char* names[] = {"Main results",
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
  return names[letter[0] - 'A'];
}

}  // namespace liere::report
