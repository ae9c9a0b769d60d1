#include "report/run_config.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/files.h"

namespace liere::report {

namespace {

/// Entry by entry: a run is reported without those that cannot be read.
void collect_reproduces(const ConfigNode& node, RunConfig& config) {
  if (node.type == ConfigNode::Type::kNull) return;
  if (node.type != ConfigNode::Type::kSequence) {
    // A map is the form before there was a list: {paper: .., table: "main results, CIFAR-100", ..}, or a note alone.
    if (node.find("table")) config.left_out.push_back(node.origin.text() + ": expected a list of entries with a table's letter, found an older form");
    return;
  }
  for (const ConfigNode& item : node.items) {
    try {
      const PaperEntry entry = read_paper_entry(item);
      if (!entry.table.empty()) config.reproduces.push_back(entry);  // else a control, beside no table
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
  if (const ConfigNode* reproduces = root.find("reproduces")) collect_reproduces(*reproduces, config);
  if (const auto block = number(root, {"model", "position", "block_size"}); block && *block >= 1) config.block_size = std::llround(*block);
  config.data_fraction = number(root, {"data", "fraction"});
  config.encoding = scalar(root, {"model", "position", "kind"});
  config.dataset = scalar(root, {"data", "kind"});
  if (const auto seed = number(root, {"seed"}); seed && *seed >= 0) config.seed = std::llround(*seed);
  config.label = label_of(config);
  return config;
}

}  // namespace liere::report
