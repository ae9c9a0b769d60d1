// What the tests of one call share: the model, the test set, and one pass over it whose rows serve all tests of predictions.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "data/recipe.h"
#include "train/eval/scores.h"
#include "train/eval/tests.h"
#include "train/eval/trained_model.h"
#include "train/evaluator.h"

namespace liere {

/// Thrown through a test when a stop signal came: nothing has been written by then.
struct Stopped {};

struct EvaluatedRows {
  std::vector<Row> rows;
  std::vector<Row> sample_rows;  // empty with one view
};

class EvalSession {
 public:
  /// The model's weights and the test set are opened when first needed. `labels`: a test of this call reads labels.
  explicit EvalSession(TrainedModel& trained, bool labels = true) : trained_(trained), labels_(labels) {}

  TrainedModel& trained();
  const ExperimentConfig& config() const { return trained_.config; }
  const Dataset& test_set();
  /// The evaluation's recipe at the training size.
  std::unique_ptr<Recipe> recipe() const;
  EvaluationOptions options(const std::string& title) const;

  /// The part of the data that is neither trained on nor tested: the validation part of volumes, or data.holdout's samples
  /// of the training set. Null where there is none.
  const Dataset* validation_set();

  /// Rows per view, and per sample where there are several views. Throws Stopped.
  EvaluatedRows evaluate_rows(const Dataset& dataset, const Recipe& recipe, EvaluationOptions options);
  /// The probability of each class for every sample, at the training size. Throws Stopped.
  ClassScores evaluate_scores(const Dataset& dataset, const std::string& title);
  /// At the training size, nothing changed; evaluated once.
  const Predictions& predictions(bool sample_names = false);

  /// What every eval.json states.
  nlohmann::json head(const EvalTest& test);
  /// All that a test's result depends on, and the version of its computation.
  nlohmann::json keys(const EvalTest& test) const;

 private:
  TrainedModel& trained_;
  bool labels_;
  std::unique_ptr<Dataset> test_set_, train_set_, validation_set_;
  std::optional<Predictions> predictions_;
};

/// Pixels per side from 1, 1.5, 2 and 3 times the training size, rounded to whole patches, or eval.sizes.
std::vector<int64_t> sizes_to_test(const ExperimentConfig& config);

/// The training size with its rows and columns (the last two axes) replaced.
std::vector<int64_t> with_side(const std::vector<int64_t>& input_size, int64_t side);

/// Rotations scrambled or patches permuted, several times: {"after": scores of the mean over the seeds, "seeds": each seed's, "relative_drop" ..}.
nlohmann::json repeated_result(const Outcomes& before, const std::vector<Outcomes>& repetitions, int64_t resamples);
/// "12.30 (11.90 .. 12.80)" of `after`, and the like for the text of such tests: one row of a table.
std::vector<std::string> repeated_line(const std::string& name, const nlohmann::json& result);

}  // namespace liere
