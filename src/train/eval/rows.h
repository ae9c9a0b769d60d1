// What an evaluation saw, sample by sample: the rows behind every figure of liere-eval, as samples.csv keeps them. No torch.
// Where samples have several labels each, a row's classes are sets of labels (train/eval/label_sets.h): label is the number of the true set, top are the most
// probable sets, so that top-1 means all labels right at 0.5.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace liere {

constexpr size_t kTopClasses = 5;

struct Row {
  int64_t sample = 0, view = 0;
  int64_t label = -1;                                       // -1 where labels were not read
  double loss = std::numeric_limits<double>::quiet_NaN();   // -log of the label's probability; of several labels the mean over classes of theirs
  double brier = std::numeric_limits<double>::quiet_NaN();  // sum over classes of (probability - [class is the label, or one of them])^2
  std::array<int64_t, kTopClasses> top{-1, -1, -1, -1, -1};  // classes, the most probable first; -1 beyond the number of classes
  std::array<double, kTopClasses> probability{};             // of those

  bool correct1() const { return label >= 0 && top[0] == label; }
  bool correct5() const;
};

/// The probability of every class for every sample (of several views their mean): softmax, or the sigmoid of each class where samples have several labels.
struct ClassScores {
  int64_t classes = 0;
  std::vector<int64_t> samples;               // N indices of the data set
  std::vector<double> probability, targets;   // [N, classes]; targets are 0 or 1, NaN where labels were not read

  int64_t size() const { return static_cast<int64_t>(samples.size()); }
};

/// Rows in order of (sample, view), and what their numbers mean.
struct Predictions {
  std::vector<Row> rows;
  std::vector<std::string> class_names;
  std::vector<std::string> sample_names;  // one per sample where a test asked for them
  int64_t resamples = 1000;               // eval.resamples
  std::vector<Row> sample_rows = {};      // of samples with several views: of the mean of their probabilities; else empty
  bool multi_label = false;               // several labels a sample: rows are about sets of labels
  ClassScores scores = {};                // of two classes or several labels a sample; else empty

  /// One row per sample.
  const std::vector<Row>& of_samples() const { return sample_rows.empty() ? rows : sample_rows; }
};

/// RFC 4180 with a header line: sample,view,label,loss,brier,class_1,probability_1, ... Numbers read back as the same bits.
std::string samples_csv(std::span<const Row> rows);
/// Throws DataError naming file and line.
std::vector<Row> read_samples_csv(const std::filesystem::path& path);

/// A field of a CSV file, quoted where it must be.
std::string csv_field(const std::string& text);
/// The shortest text that reads back as the same number.
std::string csv_number(double value);

}  // namespace liere
