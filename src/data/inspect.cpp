#include "data/inspect.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "data/datasets/factory.h"

namespace liere {
namespace {

std::string decimals(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%s%.4f", text.empty() ? "" : " ", value);
    text += buffer;
  }
  return text;
}

/// "100 classes, 500 samples each" or "4 classes, 24 (up) to 31 (left) samples".
std::string counts_text(const DatasetStatistics& statistics) {
  const auto& counts = statistics.class_counts;
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  const std::string classes = std::to_string(counts.size()) + " classes, ";
  if (*least == *most) return classes + format_count(*least) + " samples each";
  const auto with_name = [&](auto count) { return format_count(*count) + " (" + statistics.class_names[count - counts.begin()] + ")"; };
  return classes + with_name(least) + " to " + with_name(most) + " samples";
}

}  // namespace

DatasetStatistics compute_statistics(const Dataset& dataset, int64_t pixel_samples) {
  DatasetStatistics result{.description = dataset.describe(), .size = dataset.size(), .class_names = dataset.class_names()};
  result.class_counts.resize(result.class_names.size());
  for (int64_t i = 0; i < result.size; ++i) ++result.class_counts[dataset.label(i)];

  result.pixel_samples = std::min(pixel_samples, result.size);
  std::vector<std::array<uint64_t, 256>> histograms;  // per channel
  for (int64_t i = 0; i < result.pixel_samples; ++i) {
    const auto source = dataset.open(i);
    const Frames frames = source->decode({});
    const int64_t channels = frames.shape().channels;
    if (i == 0) histograms.resize(channels);
    if (frames.type() != PixelType::kU8 || channels != static_cast<int64_t>(histograms.size()))
      throw DataError(source->info().name + ": expected 8-bit pixels of " + std::to_string(histograms.size()) + " channels as in the first sample.");
    for (int64_t p = 0; p < frames.shape().elements(); ++p) ++histograms[p % channels][frames.u8()[p]];
  }
  for (const auto& histogram : histograms) {
    uint64_t count = 0, sum = 0, squares = 0;
    for (uint64_t value = 0; value < 256; ++value)
      count += histogram[value], sum += value * histogram[value], squares += value * value * histogram[value];
    const double mean = static_cast<double>(sum) / static_cast<double>(count);
    result.mean.push_back(mean / 255);
    result.std.push_back(std::sqrt(std::max(0.0, static_cast<double>(squares) / static_cast<double>(count) - mean * mean)) / 255);
  }
  return result;
}

std::string to_text(const DatasetStatistics& statistics) {
  std::string text = statistics.description + "\n  " + counts_text(statistics) + "\n";
  if (statistics.pixel_samples > 0) {
    const std::string over =
        statistics.pixel_samples == statistics.size ? "all samples" : "the first " + format_count(statistics.pixel_samples) + " samples";
    text += "  mean " + decimals(statistics.mean) + "   std " + decimals(statistics.std) + "   (of p / 255, over " + over + ")\n";
  }
  return text;
}

nlohmann::ordered_json to_json(const DatasetStatistics& statistics) {
  nlohmann::ordered_json json = {{"description", statistics.description},
                                 {"samples", statistics.size},
                                 {"pixel_samples", statistics.pixel_samples},
                                 {"mean", statistics.mean},
                                 {"std", statistics.std}};
  for (size_t c = 0; c < statistics.class_names.size(); ++c)
    json["classes"].push_back({{"name", statistics.class_names[c]}, {"samples", statistics.class_counts[c]}});
  return json;
}

void inspect(const DatasetConfig& config, const InspectOptions& options) {
  nlohmann::ordered_json report;
  size_t problem_count = 0;
  for (const auto& [name, split] : {std::pair{"train", Split::kTrain}, std::pair{"test", Split::kTest}}) {
    const auto dataset = make_dataset(config, split);
    const auto statistics = compute_statistics(*dataset, options.pixel_samples);
    std::fputs(to_text(statistics).c_str(), stdout);
    report[name] = to_json(statistics);
    if (!options.verify) continue;
    const auto problems = dataset->verify();
    for (const auto& problem : problems) std::printf("  problem: %s\n", problem.c_str());
    report[name]["problems"] = problems;
    problem_count += problems.size();
  }
  std::fflush(stdout);
  if (!options.json.empty()) write_file_atomically(options.json, report.dump(2) + "\n");
  if (problem_count > 0) throw DataError("The data differ from the published set (problems listed above: " + std::to_string(problem_count) + ").");
}

}  // namespace liere
