// liere-train plan: how long a training takes on which GPU, in how many jobs of a scheduler's time limit, and which micro-batch fits.
// Hours are training and evaluation FLOP / (processes x share x the GPU's dense rate by data sheet), or samples / measured samples per second. They are
// estimates: what the reduction between processes takes is not in them (docs/cluster.md), nor waiting for data.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "train/training_cost.h"

namespace liere {

struct PlanOptions {
  int64_t processes = 1;
  double limit_seconds = 24 * 3600;     // of a job
  double reserve_seconds = 120;         // of a job, before its limit, for saving (LIERE_SIGNAL_SECONDS)
  double start_seconds = 60;            // of a job, until the first step
  double share = 0.35;                  // of the data sheet's rate: ViT-B in bf16 reaches 0.36 to 0.39 on an H100 (docs/measurements.md)
  std::string gpu;                      // only those whose name contains this
  std::optional<double> rate;           // measured, samples per second of one process, evaluations included: no GPU is assumed then
  std::string rate_source;              // of `rate`, for the text
};

struct PlanRow {
  std::string device;
  double memory_bytes = 0;                 // 0: unknown
  std::optional<int64_t> micro_batch;      // the largest that fits into nine tenths of the memory; 0: not one sample does; nullopt: memory unknown
  double seconds = 0;                      // of training and evaluations
  int64_t jobs = 0;
};

/// Throws ConfigError: a limit too short for a job to get anything done, a GPU that is not in the table, precision fp64 without a measured rate.
std::vector<PlanRow> plan_rows(const ExperimentConfig& config, const TrainingCost& cost, const PlanOptions& options);
std::string describe_plan(const TrainingCost& cost, const PlanOptions& options, const std::vector<PlanRow>& rows);
nlohmann::json plan_json(const TrainingCost& cost, const PlanOptions& options, const std::vector<PlanRow>& rows);

/// SLURM's spellings of a time: minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes, days-hours:minutes:seconds. Throws ConfigError.
double parse_time_limit(const std::string& text);

/// Samples per second of one process in the run folder `run`, from its summary.json, and of what machine; the run must have the same model input. Throws ConfigError.
struct MeasuredRate {
  double per_process = 0;
  std::string source;
};
MeasuredRate read_rate(const std::string& run);

}  // namespace liere
