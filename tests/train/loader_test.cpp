// The loader: batches follow from the work items, the recipe and the seed, never from threads; errors and early ends come out cleanly.
#include "data/loader.h"

#include <unistd.h>
#include <xxhash.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>
#include <thread>

#include "core/check.h"
#include "core/control_group.h"
#include "support/catch.h"

using namespace liere;

namespace {

// Picture i holds (i * 7 + position) mod 256; its label is i mod 10. Samples take unequal time, so that threads overtake each other.
class MadeDataset : public Dataset {
 public:
  explicit MadeDataset(int64_t size, bool uneven = false) : size_(size), uneven_(uneven) {}
  int64_t size() const override { return size_; }
  int64_t label(int64_t index) const override { return index % 10; }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::string describe() const override { return "made pictures"; }

  std::unique_ptr<Source> open(int64_t index) const override {
    if (index == bad_open) throw std::runtime_error("no such file");
    ++opened;
    return std::make_unique<MadeSource>(*this, index);
  }

  int64_t bad_open = -1, bad_decode = -1;
  std::set<int64_t> unreadable;
  mutable std::atomic<int64_t> opened = 0;

 private:
  class MadeSource : public Source {
   public:
    MadeSource(const MadeDataset& dataset, int64_t index) : dataset_(dataset), index_(index) {}
    SourceInfo info() const override { return {{1, 6, 5, 3}, index_ % 10, "made[" + std::to_string(index_) + "]"}; }
    Frames decode(const Request& request) const override {
      if (index_ == dataset_.bad_decode || dataset_.unreadable.count(index_)) throw DataError("unexpected end of the picture");
      if (dataset_.uneven_ && index_ % 11 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
      Frames frames(PixelType::kU8, info().shape);
      for (size_t i = 0; i < frames.size_bytes(); ++i) frames.u8()[i] = static_cast<uint8_t>(index_ * 7 + i);
      return frames;
    }

   private:
    const MadeDataset& dataset_;
    int64_t index_;
  };

  int64_t size_;
  bool uneven_;
  std::vector<std::string> names_ = std::vector<std::string>(10, "class");
};

// Cuts a random 4 x 4 window and adds a random value: what an augmentation does with its stream. View v adds v more.
class MadeRecipe : public Recipe {
 public:
  explicit MadeRecipe(int64_t frames = 1) : frames_(frames) {}
  Plan plan(const SourceInfo& info, Rng rng, int64_t view) const override {
    const int64_t top = rng.integer(3), left = rng.integer(2), shift = rng.integer(256) + view;
    return {{}, [=, count = frames_](Frames in) {
              Frames out(PixelType::kU8, {count, 4, 4, 3});
              for (int64_t t = 0; t < count; ++t)
                for (int64_t y = 0; y < 4; ++y)
                  for (int64_t x = 0; x < 4; ++x)
                    for (int64_t c = 0; c < 3; ++c)
                      out.u8()[((t * 4 + y) * 4 + x) * 3 + c] = static_cast<uint8_t>(in.u8()[((top + y) * 5 + left + x) * 3 + c] + shift + t);
              return out;
            }};
  }
  FrameShape output_shape() const override { return {frames_ + (lies ? 1 : 0), 4, 4, 3}; }
  const Normalization& normalization() const override { return normalization_; }

  bool lies = false;

 private:
  int64_t frames_;
  Normalization normalization_{{0.5f, 0.25f, 0.125f}, {0.5f, 1.0f, 2.0f}};
};

// Training batches of `rows` over `epochs` of a set, in an order of their own per epoch; the last of an epoch may be short.
WorkPlan training_plan(int64_t size, int64_t rows, int64_t epochs) {
  return [=](int64_t n) -> std::optional<WorkItem> {
    const int64_t steps = (size + rows - 1) / rows, epoch = n / steps, first = n % steps * rows;
    if (epoch >= epochs) return std::nullopt;
    WorkItem work;
    work.epoch = static_cast<uint32_t>(epoch);
    const auto order = Rng(3, Purpose::kOrder, work.epoch).permutation(size);
    for (int64_t i = first; i < std::min(first + rows, size); ++i) {
      work.indices.push_back(order[i]);
      work.slots.push_back(i - first);
    }
    return work;
  };
}

uint64_t digest(const torch::Tensor& x, uint64_t seed) {
  const auto shape = x.sizes().vec();
  seed = XXH3_64bits_withSeed(shape.data(), shape.size() * sizeof(int64_t), seed);
  return XXH3_64bits_withSeed(x.const_data_ptr(), x.nbytes(), seed);
}

// Digest of all batches, and their number.
std::pair<uint64_t, int64_t> digest_all(Loader& loader) {
  uint64_t hash = 0;
  int64_t count = 0;
  for (; auto batch = loader.next(); ++count)
    for (const auto& tensor : {batch->input, batch->labels_B, batch->weights_B, batch->indices_B, batch->views_B, batch->slots_B})
      hash = digest(tensor, hash);
  return {hash, count};
}

std::string message_of(Loader& loader, int64_t& delivered) {
  try {
    for (; loader.next(); ++delivered) {
    }
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

// Waits until the loader has opened this many samples (a busy machine may take its time), then long enough to see it open more.
int64_t opened_once_settled(const MadeDataset& dataset, int64_t expected) {
  for (int i = 0; i < 5000 && dataset.opened < expected; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  return dataset.opened;
}

double resident_mebibytes() {
  int64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return static_cast<double>(resident * ::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

}  // namespace

TEST_CASE("500 batches are the same for 0, 1, 2 and 4 workers and prefetch 1 and 8", "[loader]") {
  const MadeDataset dataset(97, true);
  const MadeRecipe recipe;
  std::set<uint64_t> digests;
  for (const int64_t workers : {0, 1, 2, 4})
    for (const int64_t prefetch : {1, 8}) {
      Loader loader(dataset, recipe, 5, {workers, prefetch}, training_plan(97, 8, 39));
      const auto [hash, count] = digest_all(loader);
      CHECK(count == 507);
      digests.insert(hash);
      CHECK_FALSE(loader.next());
    }
  CHECK(digests.size() == 1);
  Loader other(dataset, recipe, 6, {2, 8}, training_plan(97, 8, 39));
  CHECK(digests.count(digest_all(other).first) == 0);  // the seed counts
}

TEST_CASE("a batch holds what its work item, recipe and stream say", "[loader]") {
  const MadeDataset dataset(50);
  const MadeRecipe recipe(3);
  const WorkItem work{.indices = {41, 7, 7}, .slots = {12, 13, 14}, .views = {0, 0, 2}, .pad_to = 5, .epoch = 9};
  Loader loader(dataset, recipe, 5, {2, 2}, [&](int64_t n) { return n == 0 ? std::optional(work) : std::nullopt; });
  const auto batch = loader.next();
  REQUIRE(batch);
  CHECK(batch->input.sizes() == at::IntArrayRef({5, 3, 3, 4, 4}));  // [B, C, T, H, W]
  CHECK(torch::equal(batch->labels_B, torch::tensor({1, 7, 7, 0, 0}, torch::kInt64)));
  CHECK(torch::equal(batch->weights_B, torch::tensor({1.f, 1.f, 1.f, 0.f, 0.f})));
  CHECK(torch::equal(batch->indices_B, torch::tensor({41, 7, 7, -1, -1}, torch::kInt64)));
  CHECK(torch::equal(batch->views_B, torch::tensor({0, 0, 2, -1, -1}, torch::kInt64)));
  CHECK(torch::equal(batch->slots_B, torch::tensor({12, 13, 14, -1, -1}, torch::kInt64)));
  CHECK(batch->input.slice(0, 3).eq(0).all().item<bool>());
  for (int64_t row = 0; row < 3; ++row) {
    const auto source = dataset.open(work.indices[row]);
    const auto plan =
        recipe.plan(source->info(), Rng(5, Purpose::kAugmentation, 9, uint32_t(work.indices[row]), uint32_t(work.views[row])), work.views[row]);
    auto expected = torch::empty({3, 3, 4, 4});
    normalize(plan.finish(source->decode(plan.request)), recipe.normalization(), expected.data_ptr<float>());
    CHECK(torch::equal(batch->input[row], expected));
  }
  CHECK_FALSE(loader.next());

  const MadeRecipe picture_recipe;
  Loader pictures(dataset, picture_recipe, 5, {0, 1}, evaluation_plan(3, 2, 0, 1));
  const auto first = pictures.next();
  CHECK(first->input.sizes() == at::IntArrayRef({2, 3, 4, 4}));  // no T for pictures
  CHECK_FALSE(first->slots_B.defined());                         // evaluation
}

TEST_CASE("evaluation counts every item once, in the same batch and row at any world size", "[loader]") {
  for (const int64_t size : {0, 1, 7, 8, 23})
    for (const int64_t views : {1, 3}) {
      const int64_t rows = (4 + views - 1) / views * views;
      std::vector<WorkItem> alone;
      const auto one = evaluation_plan(size, 4, 0, 1, views);
      for (int64_t n = 0; auto work = one(n); ++n) alone.push_back(*work);
      CHECK(int64_t(alone.size()) == (size * views + rows - 1) / rows);
      std::set<std::pair<int64_t, int64_t>> seen;
      int64_t items = 0;
      for (const auto& work : alone) {
        CHECK(work.pad_to == rows);
        CHECK(work.slots.empty());
        CHECK(int64_t(work.indices.size()) % views == 0);  // a sample's views stay together
        for (size_t i = 0; i < work.indices.size(); ++i, ++items) seen.insert({work.indices[i], work.views[i]});
      }
      CHECK(items == size * views);
      CHECK(int64_t(seen.size()) == size * views);
      for (const int64_t world : {2, 3}) {
        size_t found = 0;
        for (int64_t rank = 0; rank < world; ++rank) {
          const auto plan = evaluation_plan(size, 4, rank, world, views);
          for (int64_t n = 0; auto work = plan(n); ++n, ++found) {
            CHECK(work->indices == alone.at(rank + n * world).indices);
            CHECK(work->views == alone.at(rank + n * world).views);
          }
        }
        CHECK(found == alone.size());
      }
    }
  CHECK(evaluation_plan(std::vector<int64_t>{5, 2, 9}, 2, 0, 1)(1)->indices == std::vector<int64_t>{9});
  CHECK_THROWS_AS(evaluation_plan(5, 4, 2, 2), ConfigError);
}

TEST_CASE("an error in a worker comes out of next() at its batch's turn, with the sample's name", "[loader]") {
  const MadeRecipe recipe;
  for (const int64_t workers : {0, 1, 4}) {
    INFO("workers " << workers);
    MadeDataset dataset(64);
    dataset.bad_decode = 42;
    int64_t delivered = 0;
    Loader decode(dataset, recipe, 1, {workers, 4}, evaluation_plan(64, 4, 0, 1));
    CHECK(message_of(decode, delivered) == "made[42]: unexpected end of the picture");
    CHECK(delivered == 10);
    CHECK(message_of(decode, delivered) == "made[42]: unexpected end of the picture");  // and again
    dataset.bad_open = 41;                                                              // the earlier row of the same batch wins, whoever fails first
    delivered = 0;
    Loader open(dataset, recipe, 1, {workers, 4}, evaluation_plan(64, 4, 0, 1));
    CHECK(message_of(open, delivered) == "sample 41: no such file");
    CHECK(delivered == 10);

    MadeRecipe wrong;
    wrong.lies = true;
    delivered = 0;
    Loader shape(dataset, wrong, 1, {workers, 4}, evaluation_plan(4, 4, 0, 1));
    CHECK(message_of(shape, delivered) ==
          "made[0]: the recipe made frames of 1 x 4 x 4 x 3 (frames x height x width x channels), expected 2 x 4 x 4 x 3");

    delivered = 0;
    Loader plan(dataset, recipe, 1, {workers, 4}, [](int64_t n) -> std::optional<WorkItem> {
      if (n == 2) throw DataError("no plan");
      return WorkItem{.indices = {1, 2}};
    });
    CHECK(message_of(plan, delivered) == "no plan");
    CHECK(delivered == 2);
  }
  const MadeDataset dataset(8);
  CHECK_THROWS_AS(Loader(dataset, recipe, 1, {-1, 4}, evaluation_plan(8, 4, 0, 1)), ConfigError);
  CHECK_THROWS_AS(Loader(dataset, recipe, 1, {2, 0}, evaluation_plan(8, 4, 0, 1)), ConfigError);
  Loader uneven(dataset, recipe, 1, {2, 1}, [](int64_t) { return WorkItem{.indices = {1, 2}, .slots = {0}}; });
  CHECK_THROWS_AS(uneven.next(), ConfigError);
}

TEST_CASE("prefetch bounds the work ahead, and a loader ends promptly when its consumer stops", "[loader]") {
  const MadeDataset dataset(100000, true);
  const MadeRecipe recipe;
  {
    Loader loader(dataset, recipe, 1, {4, 2}, evaluation_plan(100000, 8, 0, 1));
    loader.next();
    loader.next();
    CHECK(opened_once_settled(dataset, (2 + 2) * 8) == (2 + 2) * 8);
  }
  dataset.opened = 0;
  {
    Loader never_asked(dataset, recipe, 1, {4, 1}, evaluation_plan(100000, 100000, 0, 1));  // half a second of work
    CHECK(opened_once_settled(dataset, 1) > 0);
  }
  CHECK(dataset.opened < 50000);
  {
    Loader nothing(dataset, recipe, 1, {2, 2}, [](int64_t) { return std::nullopt; });
    CHECK_FALSE(nothing.next());
  }
  {  // A rank without samples runs batches of padding alone.
    Loader padding(dataset, recipe, 1, {2, 1}, [](int64_t n) { return n < 3 ? std::optional(WorkItem{.pad_to = 2}) : std::nullopt; });
    for (int i = 0; i < 3; ++i) CHECK(padding.next()->weights_B.sum().item<float>() == 0.0f);
    CHECK_FALSE(padding.next());
  }
}

TEST_CASE("wait_seconds is the time that next() waited", "[loader]") {
  const MadeDataset dataset(44, true);  // four samples take 200 microseconds
  const MadeRecipe recipe;
  Loader direct(dataset, recipe, 1, {0, 1}, evaluation_plan(44, 4, 0, 1));
  while (direct.next()) {
  }
  const double worked = direct.wait_seconds();
  CHECK(worked >= 4 * 200e-6);
  dataset.opened = 0;
  Loader ahead(dataset, recipe, 1, {1, 11}, evaluation_plan(44, 4, 0, 1));
  CHECK(opened_once_settled(dataset, 44) == 44);  // all batches are ready
  CHECK(ahead.next());
  CHECK(ahead.wait_seconds() < worked);
}

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
