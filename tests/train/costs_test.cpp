// docs/results/costs.yaml is what liere::train counts for every training of the paper's tables. LIERE_RENEW_COSTS=FILE writes it (scripts/status.sh).
#include <torch/torch.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "core/files.h"
#include "status/cells.h"
#include "status/records.h"
#include "support/catch.h"
#include "train/experiment.h"
#include "train/memory.h"
#include "train/training_cost.h"

using namespace liere;
namespace fs = std::filesystem;

namespace {

/// The published sizes of the data sets, whatever lies on this machine.
ExperimentConfig experiment_of(const status::Training& training) {
  auto overrides = training.overrides;
  if (!training.config.starts_with("arrows")) overrides.push_back("data.root=/no/such/folder");
  return load_experiment((fs::path(LIERE_SOURCE_DIR) / "configs" / training.config).string(), overrides).config;
}

status::Cost cost_of(const ExperimentConfig& config) {
  const auto cost = training_cost(config);
  constexpr double kUsable = 0.9;  // as liere-train plan
  status::Cost result{{}, cost.training_flop, cost.evaluation_flop, {}};
  for (const double gigabytes : {24.0, 40.0, 80.0})
    result.micro_batch.push_back(largest_micro_batch(config, cost.memory.fitting(kUsable * gigabytes * 1e9)));
  return result;
}

std::vector<status::Cost> counted_costs() {
  std::vector<status::Cost> costs;
  std::map<std::string, size_t> same, seen;  // identity, text -> place
  for (const auto& cell : status::read_cells(fs::path(LIERE_SOURCE_DIR) / "configs")) {
    const auto text = cell.training.text();
    if (seen.count(text)) continue;
    const auto config = experiment_of(cell.training);
    const auto [place, is_new] = same.try_emplace(identity_hash(identity_lines(config)), costs.size());
    if (is_new) costs.push_back(cost_of(config));
    costs[place->second].runs.push_back(text);
    seen[text] = place->second;
  }
  return costs;
}

}  // namespace

TEST_CASE("docs/results/costs.yaml is what the trainings of the paper's tables take, or else: scripts/status.sh", "[costs]") {
  const auto text = status::costs_text(counted_costs());
  if (const char* file = std::getenv("LIERE_RENEW_COSTS")) write_file_atomically(file, text);
  CHECK(read_file(fs::path(LIERE_SOURCE_DIR) / "docs/results/costs.yaml") == text);
}
