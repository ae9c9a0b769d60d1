// Two models on the same test samples: the difference, whether it could be chance, and of which kind.
//   paired bootstrap  samples are resampled once for both sides; interval and two-sided p of the difference (core/statistics.h)
//   McNemar           on the samples that one side alone has right; for one evaluation a side
// Several evaluations a side (seeds): each sample's outcome is its mean over them. The intervals are over test samples; they say nothing of other seeds.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/eval/rows.h"

namespace liere {

/// An evaluation of the test `accuracy` as it lies on disk.
struct StoredEvaluation {
  std::filesystem::path folder;
  nlohmann::json result;
  std::vector<Row> rows;         // of samples.csv: a row per view
  std::vector<Row> sample_rows;  // of videos.csv, where samples have several views: a row per sample

  const std::vector<Row>& of_samples() const { return sample_rows.empty() ? rows : sample_rows; }
};

/// `path` is an evaluation folder (eval.json, samples.csv), or a run folder, whose eval/accuracy is meant. Throws DataError.
StoredEvaluation read_evaluation(const std::filesystem::path& path);

/// Differences are second - first. Throws DataError where samples or labels differ, naming files and sample.
nlohmann::json compare_evaluations(const std::vector<StoredEvaluation>& first, const std::vector<StoredEvaluation>& second, int64_t resamples);

/// The same for lists of paths separated by commas.
nlohmann::json compare_paths(const std::string& first, const std::string& second, int64_t resamples);

std::string describe_comparison(const nlohmann::json& comparison);

}  // namespace liere
