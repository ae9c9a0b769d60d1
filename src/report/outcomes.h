// Each test sample's outcome, as eval/accuracy/samples.csv holds it: what intervals over samples and paired comparisons are made of.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace liere::report {

struct Outcomes {
  std::vector<int64_t> samples, labels;  // in order of the file
  std::vector<double> top1;              // 100 or 0; of several views (videos) their mean

  bool same_samples(const Outcomes& other) const { return samples == other.samples && labels == other.labels; }
  double mean() const;
};

/// nullopt where the file is missing. Throws DataError naming file and line.
std::optional<Outcomes> read_outcomes(const std::filesystem::path& path);

}  // namespace liere::report
