// What liere-train and liere-eval say of a sweep's points before anything is trained.
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/check.h"
#include "core/log.h"
#include "core/signals.h"
#include "sweep/process.h"
#include "sweep/sweep.h"

namespace liere::sweep {

namespace fs = std::filesystem;

namespace {

/// A folder for what liere-train says of points, gone with this object.
class Scratch {
 public:
  Scratch() : path_(fs::temp_directory_path() / ("liere_sweep_" + std::to_string(::getpid()))) { fs::create_directories(path_); }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

}  // namespace

void Sweep::check_tests() const {
  if (file_.evaluate.empty()) return;
  const Scratch scratch;
  if (run_quietly({options_.eval, "--test", "list"}, scratch / "tests") != 0) throw Error(ExitCode::kFailure, options_.eval + " --test list fails: " + error_in(scratch / "tests"));
  std::ifstream in(scratch / "tests");
  std::set<std::string> names;
  for (std::string line, name; std::getline(in, line);)
    if (std::istringstream(line) >> name) names.insert(name);
  for (const auto& test : file_.evaluate) {
    if (names.count(test)) continue;
    const std::vector<std::string_view> known(names.begin(), names.end());
    const auto nearest = nearest_name(test, known);
    throw ConfigError("evaluate: liere-eval has no test '" + test + "'." + (nearest.empty() ? " Its list: liere-eval --test list." : " Did you mean '" + nearest + "'?"));
  }
}

std::vector<PointCost> Sweep::costs_of(const std::vector<Point>& points) const {
  if (points.empty()) return {};
  const Scratch scratch;
  std::ofstream list(scratch / "runs");
  for (const auto& point : points) {
    list << point.config;
    for (const auto& override : point.overrides) {
      if (override.find_first_of("\t\n") != std::string::npos) throw ConfigError("the point " + point.name + " has a tab or a line's end in the override '" + override + "'. Write it without.");
      list << '\t' << override;
    }
    list << '\n';
  }
  list.close();
  const int code = run_quietly({options_.train, "costs", (scratch / "runs").string(), "--json", (scratch / "costs.json").string()}, scratch / "log");
  if (stop_requested()) throw Error(ExitCode::kStoppedEarly, std::string(stop_signal_name()) + ": stopped before anything was trained.");
  std::ifstream in(scratch / "costs.json");
  const auto figures = nlohmann::json::parse(in, nullptr, false);
  const size_t known = figures.is_array() ? figures.size() : 0;
  if (code != 0 || known != points.size()) {
    const auto error = error_in(scratch / "log");
    const auto kind = code >= 2 && code <= 5 ? static_cast<ExitCode>(code) : ExitCode::kFailure;
    throw Error(kind, "point " + points[std::min(known, points.size() - 1)].name + " is refused by " + options_.train + ": " + (error.empty() ? ending(code) : error));
  }
  std::vector<PointCost> costs;
  for (size_t i = 0; i < points.size(); ++i) {
    const auto& cost = figures[i];
    costs.push_back({cost.value("identity", ""), cost.value("disk_bytes", 0.0), cost.value("training_flop", 0.0), cost.value("exact_steps", true) ? cost.value("steps", int64_t{0}) : 0,
                     cost.value("has_holdout", false)});
    if (!points[i].tuning_of.empty() && !costs.back().has_holdout)
      throw ConfigError("the tuning run " + points[i].name + " would measure no held-out data. Give tune.overrides a data.holdout, so that the test set has no say in what is chosen.");
  }
  return costs;
}

void Sweep::learn_costs() {
  std::vector<Point> unknown;
  for (const auto& point : points())
    // What is chosen changes the points that wait for it.
    if (!costs_.count(point.folder) || (file_.tune && point.tuning_of.empty())) unknown.push_back(point);
  const auto costs = costs_of(unknown);
  for (size_t i = 0; i < unknown.size(); ++i) costs_[unknown[i].folder] = costs[i];
}

void Sweep::keep_own_entries() {
  if (file_.given.empty() || file_.reproduces.empty()) return;
  auto stated = file_;
  stated.given.clear();
  auto all = points(stated);
  std::erase_if(all, [](const auto& point) { return !point.tuning_of.empty(); });
  const auto costs = costs_of(all);
  for (size_t i = 0; i < all.size(); ++i)
    if (costs[i].identity != costs_.at(all[i].folder).identity) other_experiments_.insert(all[i].folder);
  if (!other_experiments_.empty())
    log_info("the paper's figures in reproduces are left out for " + format_count(static_cast<int64_t>(other_experiments_.size())) + " of " + format_count(static_cast<int64_t>(all.size())) +
             " runs: the command line makes other experiments of them");
}

}  // namespace liere::sweep
