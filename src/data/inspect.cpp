#include "data/inspect.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/check.h"
#include "core/control_group.h"
#include "core/files.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/signals.h"
#include "data/check_pictures.h"
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

using Histograms = std::vector<std::array<uint64_t, 256>>;  // of each channel

/// Least, median and most; nothing when all are equal.
std::vector<int64_t> spread(std::vector<int64_t> values) {
  std::sort(values.begin(), values.end());
  if (values.empty() || values.front() == values.back()) return {};
  return {values.front(), values[values.size() / 2], values.back()};
}

/// A still picture whole; of a video's frames, which resemble each other, eight that are evenly spread.
Request spread_frames(int64_t frames) {
  constexpr int64_t kFrames = 8;
  Request request;
  for (int64_t i = 0; frames > 1 && i < std::min(kFrames, frames); ++i) request.frames.push_back(i * frames / std::min(kFrames, frames));
  return request;
}

/// Mean and deviation of the voxels of int16 volumes, in Hounsfield units.
void read_voxels(const Dataset& dataset, DatasetStatistics& result) {
  double count = 0;
  int64_t sum = 0, squares = 0;  // exact: 2^63 holds a million volumes of these sizes
  for (int64_t i = 0; i < result.pixel_samples; ++i) {
    if (stop_requested()) throw Error(ExitCode::kStoppedEarly, std::string("Stopped by ") + stop_signal_name() + "; the statistics begin anew when the command is run again.");
    const auto frames = dataset.open(i)->decode({});
    for (int64_t v = 0; v < frames.shape().elements(); ++v) {
      const int64_t value = frames.i16()[v];
      sum += value;
      squares += value * value;
    }
    count += static_cast<double>(frames.shape().elements());
  }
  const double mean = static_cast<double>(sum) / count;
  result.mean = {mean};
  result.std = {std::sqrt(std::max(0.0, static_cast<double>(squares) / count - mean * mean))};
  result.hounsfield = true;
}

/// Positive samples of each class where each is a label of its own, else samples of each class.
void count_labels(const Dataset& dataset, DatasetStatistics& result) {
  result.class_counts.resize(result.class_names.size());
  for (int64_t i = 0; i < result.size; ++i) {
    const int64_t label = dataset.label(i);
    if (label < 0) {
      ++result.unknown;
    } else if (dataset.multi_label()) {
      const auto targets = dataset.open(i)->info().targets;
      for (size_t c = 0; c < targets.size(); ++c) result.class_counts[c] += targets[c] > 0.5f;
    } else {
      ++result.class_counts[label];
    }
  }
}

/// The pixels of the samples that `result` says; fills its heights, widths and frames.
Histograms read_pixels(const Dataset& dataset, DatasetStatistics& result) {
  Histograms histograms;
  const int64_t count = result.pixel_samples;
  std::vector<int64_t> heights(count), widths(count), lengths(count);
  std::mutex mutex;
  int64_t done = 0;
  std::optional<ProgressLine> progress;
  if (dataset.encoded() && count > 0) progress.emplace("reading pixels", count);
  const auto read = [&](int64_t i) {
    if (stop_requested()) throw Error(ExitCode::kStoppedEarly, std::string("Stopped by ") + stop_signal_name() + "; the statistics begin anew when the command is run again.");
    const auto source = dataset.open(result.pixel_choice == "the first" ? i : i * result.size / count);
    const FrameShape shape = source->info().shape;
    const Frames frames = source->decode(spread_frames(shape.frames));
    const int64_t channels = frames.shape().channels;
    Histograms own(channels);
    if (frames.type() == PixelType::kU8)
      for (int64_t p = 0; p < frames.shape().elements(); ++p) ++own[p % channels][frames.u8()[p]];
    heights[i] = frames.shape().height, widths[i] = frames.shape().width, lengths[i] = shape.frames;
    const std::lock_guard lock(mutex);
    if (histograms.empty()) histograms.resize(channels);
    if (frames.type() != PixelType::kU8 || channels != static_cast<int64_t>(histograms.size()))
      throw DataError(source->info().name + ": expected 8-bit pixels of " + std::to_string(histograms.size()) + " channels as in the first sample.");
    for (int64_t c = 0; c < channels; ++c)
      for (size_t value = 0; value < 256; ++value) histograms[c][value] += own[c][value];
    if (progress) progress->update(++done, "pictures");
  };
  parallel_for(count, dataset.encoded() ? usable_processors() : 1, read);
  if (progress) progress->finish();
  result.heights = spread(std::move(heights));
  result.widths = spread(std::move(widths));
  std::sort(lengths.begin(), lengths.end());
  if (!lengths.empty() && lengths.back() > 1) result.frames = {lengths.front(), lengths[lengths.size() / 2], lengths.back()};
  return histograms;
}

constexpr size_t kPrintedProblems = 20;

/// The state files of both splits' checks: removed with the object, unless a stop signal came - then they are what the next call goes on from.
struct CheckStates {
  std::vector<std::filesystem::path> paths;
  ~CheckStates() {
    std::error_code ignored;
    if (!stop_requested())
      for (const auto& path : paths) std::filesystem::remove(path, ignored);
  }
};

/// What differs from the published data, and which pictures do not decode. Prints the first of them; all are in the report.
size_t verify_split(const Dataset& dataset, const InspectOptions& options, nlohmann::ordered_json& report, CheckStates& states) {
  auto problems = dataset.verify();
  report["problems"] = problems;
  if (dataset.encoded()) {
    const auto state = check_state_path(options.json, dataset.describe());
    states.paths.push_back(state);
    report["decoded"] = dataset.size();
    report["bad"] = nlohmann::ordered_json::array();
    for (const auto& bad : check_pictures(dataset, state, usable_processors())) {
      report["bad"].push_back({{"index", bad.index}, {"reason", bad.reason}});
      problems.push_back(bad.reason);
    }
    std::printf("  decoded %s pictures, %zu bad\n", format_count(dataset.size()).c_str(), report["bad"].size());
  }
  for (size_t i = 0; i < std::min(problems.size(), kPrintedProblems); ++i) std::printf("  problem: %s\n", problems[i].c_str());
  if (problems.size() > kPrintedProblems)
    std::printf("  and %zu more%s\n", problems.size() - kPrintedProblems, options.json.empty() ? "; --json FILE lists them all" : (", listed in " + options.json).c_str());
  return problems.size();
}

}  // namespace

DatasetStatistics compute_statistics(const Dataset& dataset, int64_t pixel_samples) {
  DatasetStatistics result{.description = dataset.describe(), .size = dataset.size(), .class_names = dataset.class_names()};
  count_labels(dataset, result);
  result.notes = dataset.notes();

  result.pixel_samples = std::min(pixel_samples, result.size);
  if (result.pixel_samples > 0 && dataset.open(0)->decode({{0}, std::nullopt}).type() == PixelType::kI16) {
    read_voxels(dataset, result);
    return result;
  }
  if (dataset.encoded() && result.pixel_samples < result.size) result.pixel_choice = "evenly spread";
  const auto histograms = read_pixels(dataset, result);
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
        statistics.pixel_samples == statistics.size ? "all samples" : statistics.pixel_choice + " " + format_count(statistics.pixel_samples) + " samples";
    text += "  mean " + decimals(statistics.mean) + "   std " + decimals(statistics.std) + "   (" + (statistics.hounsfield ? "Hounsfield units" : "of p / 255") + ", over " + over + ")\n";
  }
  if (statistics.unknown > 0) text += "  " + format_count(statistics.unknown) + " samples without a label\n";
  for (const auto& note : statistics.notes) text += "  " + note + "\n";
  const auto& h = statistics.heights;
  const auto& w = statistics.widths;
  if (!h.empty() || !w.empty()) {
    const auto range = [](const std::vector<int64_t>& v) {
      return v.empty() ? "all the same" : std::to_string(v[0]) + " / " + std::to_string(v[1]) + " / " + std::to_string(v[2]);
    };
    text += "  least / median / most: rows " + range(h) + ", columns " + range(w) + "\n";
  }
  if (const auto& f = statistics.frames; !f.empty())
    text += "  least / median / most frames of a video: " + format_count(f[0]) + " / " + format_count(f[1]) + " / " + format_count(f[2]) + "\n";
  return text;
}

nlohmann::ordered_json to_json(const DatasetStatistics& statistics) {
  nlohmann::ordered_json json = {{"description", statistics.description},
                                 {"samples", statistics.size},
                                 {"pixel_samples", statistics.pixel_samples},
                                 {"rows", statistics.heights},
                                 {"columns", statistics.widths},
                                 {"frames", statistics.frames},
                                 {"mean", statistics.mean},
                                 {"std", statistics.std},
                                 {"unknown", statistics.unknown},
                                 {"notes", statistics.notes}};
  for (size_t c = 0; c < statistics.class_names.size(); ++c)
    json["classes"].push_back({{"name", statistics.class_names[c]}, {"samples", statistics.class_counts[c]}});
  return json;
}

void inspect(const DatasetConfig& config, const InspectOptions& options) {
  nlohmann::ordered_json report;
  size_t problem_count = 0;
  CheckStates states;
  for (const auto& [name, split] : {std::pair{"train", Split::kTrain}, std::pair{"validation", Split::kValidation}, std::pair{"test", Split::kTest}}) {
    if (split == Split::kValidation && !has_validation(config)) continue;
    const auto dataset = make_dataset(config, split);
    const auto statistics = compute_statistics(*dataset, options.pixel_samples);
    std::fputs(to_text(statistics).c_str(), stdout);
    report[name] = to_json(statistics);
    if (!options.verify) continue;
    problem_count += verify_split(*dataset, options, report[name], states);
  }
  std::fflush(stdout);
  if (!options.json.empty()) write_file_atomically(options.json, report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  if (problem_count > 0) throw DataError("The data differ from the published set or cannot be read (problems listed above: " + std::to_string(problem_count) + ").");
}

}  // namespace liere
