// Evaluation of samples with several views: each view by itself, each sample by the mean of its views' probabilities; patches and frames in random order; samples with
// several labels.
#include <torch/torch.h>

#include <atomic>
#include <cmath>
#include <map>
#include <set>

#include "core/check.h"
#include "support/catch.h"
#include "support/matchers.h"
#include "train/eval/label_sets.h"
#include "train/eval/scores.h"
#include "train/evaluator.h"

using namespace liere;
using liere::test::has;

namespace {

constexpr int64_t kFrames = 4, kSide = 8, kViews = 3, kClasses = 4;

/// Videos of noise, of the length 4 + index. With several labels video i has label c where bit c of 5 i + 3 is set; `unknown` is that of a label nobody gave.
class Noise : public Dataset {
 public:
  explicit Noise(int64_t size, bool several = false, std::optional<float> unknown = std::nullopt) : size_(size), several_(several), unknown_(unknown) {}
  bool multi_label() const override { return several_; }
  std::vector<float> targets(int64_t index) const {
    std::vector<float> of;
    for (int64_t c = 0; several_ && c < kClasses; ++c) of.push_back(static_cast<float>((5 * index + 3) >> c & 1));
    if (several_ && unknown_) of[1] = *unknown_;
    return of;
  }
  int64_t size() const override { return size_; }
  int64_t label(int64_t index) const override { return index % kClasses; }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::string describe() const override { return "noise"; }
  std::unique_ptr<Source> open(int64_t index) const override {
    ++opened;
    struct Video : Source {
      int64_t index;
      std::vector<float> targets;
      SourceInfo info() const override { return {{4 + index, kSide, kSide, 3}, index % kClasses, "noise " + std::to_string(index), targets}; }
      Frames decode(const Request& request) const override {
        Frames frames(PixelType::kU8, {static_cast<int64_t>(request.frames.size()), kSide, kSide, 3});
        const int64_t each = kSide * kSide * 3;
        for (size_t t = 0; t < request.frames.size(); ++t) {
          Rng rng(1, Purpose::kArrows, static_cast<uint32_t>(index), static_cast<uint32_t>(request.frames[t]));
          for (int64_t i = 0; i < each; ++i) frames.u8()[static_cast<int64_t>(t) * each + i] = static_cast<uint8_t>(rng.bits32() >> 24);
        }
        return frames;
      }
    };
    auto video = std::make_unique<Video>();
    video->index = index;
    video->targets = targets(index);
    return video;
  }
  mutable std::atomic<int64_t> opened = 0;

 private:
  int64_t size_;
  bool several_;
  std::optional<float> unknown_;
  std::vector<std::string> names_ = {"a", "b", "c", "d"};
};

/// View v: four frames from frame min(v, N - 4) on.
class Windows : public Recipe {
 public:
  explicit Windows(int64_t views = kViews) : views_(views) {}
  Plan plan(const SourceInfo& info, Rng, int64_t view) const override {
    Plan plan;
    const int64_t first = std::min(view, info.shape.frames - kFrames);
    for (int64_t t = 0; t < kFrames; ++t) plan.request.frames.push_back(first + t);
    return plan;
  }
  FrameShape output_shape() const override { return {kFrames, kSide, kSide, 3}; }
  int64_t views() const override { return views_; }
  const Normalization& normalization() const override { return normalization_; }

 private:
  int64_t views_;
  Normalization normalization_{{0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}};
};

Vit clip_model() {
  VitConfig config;
  config.preset = Preset::kCustom;
  config.input_size = {kFrames, kSide, kSide};
  config.patch = {2, 4, 4};
  config.width = 32;
  config.depth = 1;
  config.heads = 1;
  config.mlp = 32;
  config.position = LiereConfig{.block_size = 8};
  config.resolve();
  Vit model(config, kClasses);
  model->initialize(3);
  torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : model->named_weights())
    if (name == "head.weight") tensor.mul_(30);
  return model;
}

struct Evaluated {
  EvaluationSums sums;
  std::vector<Row> rows, sample_rows;
  ClassScores scores;
};

Evaluated run(Vit& model, const Dataset& dataset, EvaluationOptions options, int64_t views = kViews) {
  Evaluated result;
  options.title = "";
  options.scores = &result.scores;
  options.rows = &result.rows;
  options.sample_rows = &result.sample_rows;
  result.sums = *evaluate(model, dataset, Windows(views), options);
  return result;
}

std::map<int64_t, double> probabilities(const Row& row) {
  std::map<int64_t, double> of;
  for (size_t k = 0; k < kClasses; ++k) of[row.top[k]] = row.probability[k];
  return of;
}

}  // namespace

TEST_CASE("a sample's row is the mean of its views' probabilities, and every view and sample counts once", "[eval][views]") {
  auto model = clip_model();
  const Noise videos(7);
  const auto [sums, rows, sample_rows, scores] = run(model, videos, {.batch_size = 6});
  REQUIRE(rows.size() == 7 * kViews);
  REQUIRE(sample_rows.size() == 7);
  CHECK(sums.views_per_sample == kViews);
  CHECK(sums.views.count == 21);
  CHECK(sums.samples.count == 7);
  int64_t differing = 0;
  for (size_t s = 0; s < 7; ++s) {
    std::map<int64_t, double> mean;
    for (size_t v = 0; v < kViews; ++v) {
      const Row& row = rows[s * kViews + v];
      CHECK((row.sample == static_cast<int64_t>(s) && row.view == static_cast<int64_t>(v)));
      for (const auto& [index, probability] : probabilities(row)) mean[index] += probability / kViews;
      differing += row.probability != rows[s * kViews].probability;
    }
    const Row& row = sample_rows[s];
    CHECK((row.sample == static_cast<int64_t>(s) && row.view == 0 && row.label == static_cast<int64_t>(s) % kClasses));
    for (const auto& [index, probability] : probabilities(row)) CHECK(probability == Approx(mean[index]).epsilon(1e-12));
    CHECK(row.loss == Approx(-std::log(mean[row.label])).epsilon(1e-9));
    CHECK(std::is_sorted(row.probability.begin(), row.probability.begin() + kClasses, std::greater<>()));
  }
  CHECK(differing > 0);  // views show different frames
  int64_t correct = 0;
  for (const Row& row : sample_rows) correct += row.correct1();
  CHECK(sums.samples.correct1 == correct);
  // The scores are the same probabilities, by class.
  REQUIRE((scores.size() == 7 && scores.classes == kClasses));
  for (size_t s = 0; s < 7; ++s) {
    CHECK(scores.samples[s] == static_cast<int64_t>(s));
    for (const auto& [index, probability] : probabilities(sample_rows[s])) {
      const auto at = s * kClasses + static_cast<size_t>(index);
      CHECK(scores.probability[at] == probability);
      CHECK(scores.targets[at] == (index == sample_rows[s].label ? 1 : 0));
    }
  }
}

TEST_CASE("several labels a sample: rows are about sets, the loss is the mean binary cross-entropy", "[eval][views]") {
  auto model = clip_model();
  const Noise videos(7, true);
  for (const int64_t views : {int64_t{1}, kViews}) {
    const auto [sums, rows, sample_rows, scores] = run(model, videos, {.batch_size = 6}, views);
    REQUIRE((sample_rows.size() == 7 && rows.size() == static_cast<size_t>(7 * views) && scores.size() == 7));
    int64_t right = 0;
    double loss = 0;
    for (size_t s = 0; s < 7; ++s) {
      const Row& row = sample_rows[s];
      const std::span<const double> p(scores.probability.data() + s * kClasses, kClasses), t(scores.targets.data() + s * kClasses, kClasses);
      double cross_entropy = 0, brier = 0;
      for (size_t c = 0; c < kClasses; ++c) {
        CHECK(t[c] == videos.targets(static_cast<int64_t>(s))[c]);
        cross_entropy -= std::log(t[c] == 1 ? p[c] : 1 - p[c]) / kClasses;
        brier += (p[c] - t[c]) * (p[c] - t[c]);
      }
      CHECK(row.label == set_number(t));
      CHECK(row.label == (5 * static_cast<int64_t>(s) + 3) % 16);
      CHECK(row.top[0] == set_number(p));
      CHECK(row.top == likely_sets(p).sets);
      CHECK(row.probability == likely_sets(p).probability);
      CHECK(row.loss == Approx(cross_entropy).epsilon(1e-4));
      CHECK(row.brier == Approx(brier).epsilon(1e-9));
      right += row.label == row.top[0];
      loss += row.loss;
    }
    CHECK(sums.samples.correct1 == right);
    CHECK(sums.samples.loss_sum == Approx(loss).epsilon(1e-12));
    if (views == 1) CHECK(sums.views.loss_sum == sums.samples.loss_sum);
  }
  // Where labels are not read the model says the same, and where one is unknown they cannot be read.
  const auto expected = run(model, videos, {.batch_size = 6});
  const Noise unknown(7, true, 0.5f);
  CHECK_THROWS_WITH(run(model, unknown, {.batch_size = 6}), has("expected 0 or 1"));
  EvaluationOptions blind{.batch_size = 6};
  blind.labels = false;
  const auto found = run(model, unknown, blind);
  CHECK(found.scores.probability == expected.scores.probability);
  for (size_t s = 0; s < 7; ++s) {
    CHECK(found.sample_rows[s].top == expected.sample_rows[s].top);
    CHECK((found.sample_rows[s].label == -1 && std::isnan(found.sample_rows[s].loss) && std::isnan(found.sample_rows[s].brier)));
  }
  CHECK(std::all_of(found.scores.targets.begin(), found.scores.targets.end(), [](double target) { return std::isnan(target); }));
}

TEST_CASE("views: results do not depend on the batch, and a video is opened once for all its views", "[eval][views]") {
  auto model = clip_model();
  const Noise videos(7);
  const auto expected = run(model, videos, {.batch_size = 1});
  for (const int64_t batch : {4, 9, 100})
    for (const int64_t workers : {0, 2}) {
      videos.opened = 0;
      const auto found = run(model, videos, {.batch_size = batch, .loader = {.workers = workers}});
      CHECK(videos.opened == 7);
      for (size_t i = 0; i < found.rows.size(); ++i) {
        CHECK(found.rows[i].top == expected.rows[i].top);
        CHECK(found.rows[i].loss == Approx(expected.rows[i].loss).epsilon(1e-4).margin(1e-5));
      }
      CHECK(found.sums.samples.correct1 == expected.sums.samples.correct1);
    }
}

TEST_CASE("shuffled frames and patches follow from seed, sample and view alone", "[eval][views]") {
  auto model = clip_model();
  const Noise videos(5);
  const auto plain = run(model, videos, {});
  const auto losses = [&](std::optional<uint64_t> frames, std::optional<uint64_t> patches, int64_t batch) {
    EvaluationOptions options{.batch_size = batch};
    options.frame_shuffle_seed = frames;
    options.shuffle_seed = patches;
    std::vector<double> values;
    for (const Row& row : run(model, videos, options).rows) values.push_back(row.loss);
    return values;
  };
  const auto close = [](const std::vector<double>& a, const std::vector<double>& b) {
    double worst = 0;
    for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]) / (1 + std::abs(a[i])));
    return worst < 1e-4;
  };
  const auto frames = losses(0, {}, 3), patches = losses({}, 0, 3);
  CHECK(close(frames, losses(0, {}, 100)));
  CHECK(close(patches, losses({}, 0, 100)));
  CHECK_FALSE(close(frames, losses(1, {}, 3)));
  CHECK_FALSE(close(frames, patches));
  std::vector<double> unchanged;
  for (const Row& row : plain.rows) unchanged.push_back(row.loss);
  CHECK_FALSE(close(frames, unchanged));
}

TEST_CASE("intervals resample whole videos: views are averaged first", "[eval][views]") {
  std::vector<Row> rows;
  for (int64_t sample = 0; sample < 40; ++sample)
    for (int64_t view = 0; view < 15; ++view) {
      Row row{sample, view, 0, sample % 2 ? 2.0 : 1.0, 0.5};
      row.top[0] = sample % 2;  // all views of a video agree
      rows.push_back(row);
    }
  const auto outcomes = outcomes_of(rows);
  REQUIRE(outcomes.top1.size() == 40);
  CHECK(outcomes.top1[0] == 100);
  CHECK(outcomes.top1[1] == 0);
  const auto clustered = scores(outcomes, 1000);
  CHECK(clustered.at("top1").get<double>() == 50);
  CHECK(clustered.at("loss").get<double>() == Approx(1.5));
  // 40 independent coins: 50 +- 1.96 * 50 / sqrt(40) = 50 +- 15.5; taken for 600 the interval would be 50 +- 4.
  const auto interval = clustered.at("top1_interval");
  CHECK(interval[1].get<double>() - interval[0].get<double>() > 25);
  CHECK(interval[1].get<double>() - interval[0].get<double>() < 36);
}
