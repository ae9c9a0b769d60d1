#include "train/plan.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/check.h"
#include "core/log.h"

namespace liere {
namespace {

/// Memory and dense products by NVIDIA's data sheets (no sparsity; bf16 with fp32 sums, fp32 on the plain units).
struct Gpu {
  const char* name;
  double memory_gb, bf16_tflops, fp32_tflops;
};
constexpr Gpu kGpus[] = {
    {"H200 SXM", 141, 989, 67},   {"H100 SXM", 80, 989, 67},  {"H100 PCIe", 80, 756, 51}, {"A100 80 GB", 80, 312, 19.5},
    {"A100 40 GB", 40, 312, 19.5}, {"L40S", 48, 362, 91.6}, {"L4", 24, 121, 30.3},      {"GeForce RTX 4090", 24, 165, 82.6},
};
constexpr double kUsableMemory = 0.9;  // the rest is the driver's and fragments

bool contains_ignoring_case(std::string text, std::string part) {
  for (auto* s : {&text, &part})
    for (char& c : *s) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text.find(part) != std::string::npos;
}

std::string gpu_names() {
  std::string names;
  for (const auto& gpu : kGpus) names += std::string(names.empty() ? "" : ", ") + gpu.name;
  return names;
}

int64_t jobs_for(double seconds, const PlanOptions& options) {
  const double useful = options.limit_seconds - options.reserve_seconds - options.start_seconds;
  if (useful <= 0)
    throw ConfigError("--limit is " + format_duration(options.limit_seconds) + ", which a job spends on starting (" + format_duration(options.start_seconds) + ") and saving (" +
                      format_duration(options.reserve_seconds) + "). Ask for more.");
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(seconds / useful)));
}

std::string padded(const std::string& text, size_t width) { return text + std::string(text.size() < width ? width - text.size() : 1, ' '); }
std::string line(const std::string& name, const std::string& value) { return "  " + padded(name, 24) + value + "\n"; }

std::string per_process(const TrainingCost& cost, const PlanRow& row) {
  if (!row.micro_batch) return "-";
  return *row.micro_batch == 0 ? "none fits" : format_count(*row.micro_batch) + " " + cost.unit;
}

}  // namespace

std::vector<PlanRow> plan_rows(const ExperimentConfig& config, const TrainingCost& cost, const PlanOptions& options) {
  std::vector<PlanRow> rows;
  const double processes = static_cast<double>(options.processes);
  if (options.rate) {
    const double seconds = cost.training_samples() / (*options.rate * processes);
    rows.push_back({options.rate_source, 0, std::nullopt, seconds, jobs_for(seconds, options)});
    return rows;
  }
  if (config.train.precision == Precision::kFp64) throw ConfigError("train.precision=fp64 is for tests: liere-train plan knows no GPU's rate for it. Name a measured one with --rate or --like.");
  for (const auto& gpu : kGpus) {
    if (!contains_ignoring_case(gpu.name, options.gpu)) continue;
    const double bytes = gpu.memory_gb * 1e9, rate = 1e12 * (config.train.precision == Precision::kBf16 ? gpu.bf16_tflops : gpu.fp32_tflops);
    const double seconds = (cost.training_flop + cost.evaluation_flop) / (rate * options.share * processes);
    rows.push_back({gpu.name, bytes, largest_micro_batch(config, cost.memory.fitting(kUsableMemory * bytes), options.processes), seconds, jobs_for(seconds, options)});
  }
  if (rows.empty()) throw ConfigError("--gpu " + options.gpu + " is none of those whose figures are known: " + gpu_names() + ". Another's hours follow from a measured rate (--rate, --like).");
  return rows;
}

std::string describe_plan(const TrainingCost& cost, const PlanOptions& options, const std::vector<PlanRow>& rows) {
  std::string text = line("evaluations", format_count(cost.evaluations) + " of " + format_count(cost.views_per_evaluation) + (cost.unit == "videos" ? " views" : " " + cost.unit)) +
                     line("checkpoint", format_bytes(cost.checkpoint_bytes)) + line("run folder", "up to " + format_bytes(cost.disk_bytes)) +
                     line("processes", format_count(options.processes) + (options.processes > 1 ? " (the reduction between them is not in the hours: docs/cluster.md)" : "")) + "\n";
  size_t width = 18;
  for (const auto& row : rows) width = std::max(width, row.device.size() + 2);
  text += "  " + padded(options.rate ? "measured" : "GPU", width) + padded("memory", 10) + padded("samples at once", 18) + padded("time", 14) + "jobs of " + format_duration(options.limit_seconds) + "\n";
  for (const auto& row : rows)
    text += "  " + padded(row.device, width) + padded(row.memory_bytes > 0 ? std::to_string(std::llround(row.memory_bytes / 1e9)) + " GB" : "-", 10) + padded(per_process(cost, row), 18) +
            padded(format_duration(row.seconds), 14) + format_count(row.jobs) + "\n";
  char share[200];
  std::snprintf(share, sizeof share, "Estimates: %.0f %% of the data sheet's dense rate (--share); ViT-B in bf16 reached 36 to 39 %% on an H100, nothing was measured on the others.\n", 100 * options.share);
  if (!options.rate) text += std::string("\n  ") + share + "  Better: --like RUN takes the rate of a run of yours, --rate a number of samples per second.\n";
  return text;
}

nlohmann::json plan_json(const TrainingCost& cost, const PlanOptions& options, const std::vector<PlanRow>& rows) {
  auto table = nlohmann::json::array();
  for (const auto& row : rows)
    table.push_back({{"device", row.device},
                     {"memory_bytes", row.memory_bytes > 0 ? nlohmann::json(row.memory_bytes) : nlohmann::json()},
                     {"micro_batch", row.micro_batch ? nlohmann::json(*row.micro_batch) : nlohmann::json()},
                     {"seconds", row.seconds},
                     {"jobs", row.jobs}});
  return {{"cost", cost},
          {"processes", options.processes},
          {"limit_seconds", options.limit_seconds},
          {"share", options.rate ? nlohmann::json() : nlohmann::json(options.share)},
          {"samples_per_second", options.rate ? nlohmann::json(*options.rate) : nlohmann::json()},
          {"rows", table}};
}

double parse_time_limit(const std::string& text) {
  const auto fail = [&]() -> double {
    throw ConfigError("--limit is '" + text.substr(0, 40) + "', expected a time as SLURM spells it: minutes, hours:minutes:seconds, or days-hours:minutes:seconds.");
  };
  std::string rest = text;
  double days = 0;
  const size_t dash = rest.find('-');
  const auto number = [&](const std::string& part) -> double {
    if (part.empty() || part.size() > 6 || !std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; })) return fail();
    return std::stod(part);
  };
  if (dash != std::string::npos) {
    days = number(rest.substr(0, dash));
    rest = rest.substr(dash + 1);
  }
  std::vector<double> parts;
  for (size_t at = 0; at <= rest.size();) {
    const size_t colon = std::min(rest.find(':', at), rest.size());
    parts.push_back(number(rest.substr(at, colon - at)));
    at = colon + 1;
  }
  if (parts.size() > 3) return fail();
  // With days the first part is hours; without, one or two parts are minutes and seconds.
  const size_t first = dash != std::string::npos || parts.size() == 3 ? 0 : 1;
  constexpr double kUnits[] = {3600, 60, 1};
  double seconds = 86400 * days;
  for (size_t i = 0; i < parts.size(); ++i) seconds += parts[i] * kUnits[first + i];
  return seconds > 0 ? seconds : fail();
}

MeasuredRate read_rate(const std::string& run) {
  const auto file = std::filesystem::path(run) / "summary.json";
  std::ifstream in(file);
  if (!in) throw ConfigError("--like " + run + ": " + file.string() + " was not found. Name the folder of a run that ended or stopped.");
  const auto summary = nlohmann::json::parse(in, nullptr, false);
  const bool readable = summary.is_object() && summary.contains("samples_per_second") && summary["samples_per_second"].is_number() && summary["samples_per_second"].get<double>() > 0;
  if (!readable) throw ConfigError("--like " + run + ": " + file.string() + " holds no samples_per_second above 0. Name a run that trained.");
  const auto ranks = summary.value("ranks", int64_t{1});
  return {summary["samples_per_second"].get<double>() / static_cast<double>(std::max<int64_t>(1, ranks)), run + " (" + summary.value("label", "?") + ", " + summary.value("device", "?") + ")"};
}

}  // namespace liere
