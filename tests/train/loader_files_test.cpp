// The loader on files: nothing grows over many epochs, unreadable training samples are replaced within a budget.
#include "made_samples.h"

using namespace liere;
using namespace liere::test;

namespace {

// Opens a file of its own for each sample, as a set of pictures does.
class FileDataset : public MadeDataset {
 public:
  using MadeDataset::MadeDataset;
  std::unique_ptr<Source> open(int64_t index) const override {
    std::ifstream file("/proc/self/stat");
    std::string word;
    file >> word;
    if (word.empty()) throw DataError("/proc/self/stat is empty");
    return MadeDataset::open(index);
  }
};

int64_t open_handles() { return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator()); }

}  // namespace

TEST_CASE("neither memory nor handles grow over 200 epochs", "[loader]") {
  FileDataset dataset(64);
  dataset.unreadable = {17};
  const MadeRecipe recipe;
  const int64_t handles = open_handles();
  {
    LoaderOptions options{4, 4};
    options.bad_samples.substitutes = std::make_shared<const std::vector<int64_t>>(std::vector<int64_t>{1, 2, 3});
    options.bad_samples.budget = 1;
    Loader loader(dataset, recipe, 1, options, training_plan(64, 8, 220));
    double after_warmup = 0;
    int64_t count = 0;
    while (loader.next())
      if (++count == 20 * 8) after_warmup = resident_mebibytes();
    CHECK(count == 220 * 8);
    CHECK(resident_mebibytes() < after_warmup * 1.02);
  }
  for (int epoch = 0; epoch < 200; ++epoch) {  // as evaluations do: a loader each
    Loader loader(dataset, recipe, 1, {4, 4}, evaluation_plan(16, 8, 0, 1));
    while (loader.next()) {
    }
  }
  CHECK(open_handles() == handles);
}

namespace {

// What a training with unreadable samples delivers and reports.
struct Outcome {
  uint64_t hash = 0;
  int64_t batches = 0;
  std::vector<std::string> reports;
  std::string error;
  bool operator==(const Outcome&) const = default;
};

Outcome train_with_bad_samples(const MadeDataset& dataset, int64_t workers, int64_t prefetch, int64_t budget, int64_t epochs) {
  const MadeRecipe recipe;
  Outcome outcome;
  std::vector<int64_t> all(dataset.size());
  std::iota(all.begin(), all.end(), 0);
  LoaderOptions options{workers, prefetch};
  options.bad_samples = {std::make_shared<const std::vector<int64_t>>(all), budget, [&](const BadSample& bad) {
                           outcome.reports.push_back(std::to_string(bad.epoch) + " " + std::to_string(bad.index) + " " + std::to_string(bad.substitute) + " " + bad.reason);
                         }};
  Loader loader(dataset, recipe, 5, options, training_plan(dataset.size(), 8, epochs));
  try {
    for (; auto batch = loader.next(); ++outcome.batches) {
      outcome.hash = digest(batch->input, digest(batch->indices_B, digest(batch->labels_B, outcome.hash)));
      CHECK(batch->weights_B.eq(1).all().item<bool>());
      for (int64_t row = 0; row < batch->indices_B.size(0); ++row) {
        const int64_t index = batch->indices_B[row].item<int64_t>();
        CHECK(dataset.unreadable.count(index) == 0);
        CHECK(batch->labels_B[row].item<int64_t>() == index % 10);
      }
    }
  } catch (const DataError& error) {
    outcome.error = error.what();
  }
  return outcome;
}

}  // namespace

TEST_CASE("unreadable training samples are replaced, alike for any number of workers", "[loader]") {
  MadeDataset dataset(60, true);
  dataset.unreadable = {3, 11, 12, 40, 59};
  const auto outcome = train_with_bad_samples(dataset, 0, 1, 5, 3);
  CHECK(outcome.error.empty());
  CHECK(outcome.batches == 3 * 8);
  REQUIRE(outcome.reports.size() == 15);  // each once per epoch
  CHECK(std::set<std::string>(outcome.reports.begin(), outcome.reports.end()).size() == 15);
  for (const auto& report : outcome.reports) CHECK(report.find("]: unexpected end of the picture") != std::string::npos);
  for (const int64_t workers : {1, 2, 4})
    for (const int64_t prefetch : {1, 8}) CHECK(train_with_bad_samples(dataset, workers, prefetch, 5, 3) == outcome);
}

TEST_CASE("one unreadable sample beyond the budget ends the training at the same batch for any number of workers", "[loader]") {
  MadeDataset dataset(60, true);
  dataset.unreadable = {3, 11, 12, 40, 59};
  const auto outcome = train_with_bad_samples(dataset, 0, 1, 4, 3);
  CHECK(outcome.reports.size() == 5);
  CHECK(outcome.batches < 8);
  CHECK(outcome.error.find("more than 4 samples of epoch 0 cannot be read (loader.bad_sample_budget), the last because of: made[") == 0);
  for (const int64_t workers : {1, 4}) CHECK(train_with_bad_samples(dataset, workers, 8, 4, 3) == outcome);
  const auto none = train_with_bad_samples(dataset, 2, 4, 0, 1);
  CHECK(none.reports.size() == 1);
}

TEST_CASE("data that cannot be read at all end the training, whatever the budget", "[loader]") {
  MadeDataset dataset(20);
  for (int64_t i = 0; i < 20; ++i) dataset.unreadable.insert(i);
  for (const int64_t workers : {0, 2}) {
    const auto outcome = train_with_bad_samples(dataset, workers, 2, 1000, 1);
    CHECK(outcome.batches == 0);
    CHECK(outcome.error.find("samples drawn in its place cannot be read") != std::string::npos);
  }
}

TEST_CASE("the default number of workers fits the processors that this process may use", "[loader]") { CHECK(default_workers() == std::min<int64_t>(usable_processors(), 4)); }
