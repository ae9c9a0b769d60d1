// Draws of Mixup and CutMix, and the validation part of a training set.
#include <algorithm>
#include <map>
#include <set>

#include "core/check.h"
#include "data/holdout.h"
#include "data/mixup.h"
#include "support/catch.h"

using namespace liere;

TEST_CASE("a mix depends on seed and step alone and follows its distribution", "[mixup]") {
  const MixupConfig config{.alpha = 0.8, .cutmix_alpha = 1.0, .probability = 0.9, .switch_probability = 0.4};
  double sum = 0, square = 0;
  std::map<Mix::Kind, int> counts;
  const int steps = 20000;
  for (int step = 0; step < steps; ++step) {
    const auto mix = draw_mix(config, 5, step, 32, 32), again = draw_mix(config, 5, step, 32, 32);
    CHECK((mix.kind == again.kind && mix.lambda == again.lambda && mix.box.top == again.box.top));
    ++counts[mix.kind];
    if (mix.kind == Mix::Kind::kMixup) {
      sum += mix.lambda;
      square += mix.lambda * mix.lambda;
    }
    if (mix.kind == Mix::Kind::kCutmix) {
      const auto& b = mix.box;
      CHECK((b.top >= 0 && b.top <= b.bottom && b.bottom <= 32 && b.left >= 0 && b.left <= b.right && b.right <= 32));
      CHECK(mix.lambda == 1 - static_cast<double>((b.bottom - b.top) * (b.right - b.left)) / 1024);
    }
  }
  // Five standard errors around 10 %, 54 % and 36 %.
  CHECK(std::abs(counts[Mix::Kind::kNone] - 0.10 * steps) < 5 * std::sqrt(0.09 * steps));
  CHECK(std::abs(counts[Mix::Kind::kMixup] - 0.54 * steps) < 5 * std::sqrt(0.25 * steps));
  CHECK(std::abs(counts[Mix::Kind::kCutmix] - 0.36 * steps) < 5 * std::sqrt(0.24 * steps));
  const double n = counts[Mix::Kind::kMixup], mean = sum / n, variance = square / n - mean * mean;
  CHECK(mean == Approx(0.5).margin(0.02));
  CHECK(variance == Approx(0.25 / (2 * 0.8 + 1)).margin(0.01));  // of Beta(a, a)
  CHECK(draw_mix({}, 5, 0, 32, 32).kind == Mix::Kind::kNone);
  bool differs = false;
  for (int step = 0; step < 10; ++step) differs |= draw_mix(config, 6, step, 32, 32).lambda != draw_mix(config, 5, step, 32, 32).lambda;
  CHECK(differs);
}

namespace {

/// Labels only; class c has sizes[c] samples, in turn.
class Labels : public Dataset {
 public:
  explicit Labels(std::vector<int64_t> sizes) {
    for (size_t c = 0; c < sizes.size(); ++c) names_.push_back("class " + std::to_string(c));
    for (bool more = true; more;) {
      more = false;
      for (size_t c = 0; c < sizes.size(); ++c)
        if (sizes[c]-- > 0) {
          labels_.push_back(static_cast<int64_t>(c));
          more = true;
        }
    }
  }
  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  std::unique_ptr<Source> open(int64_t) const override { return nullptr; }
  int64_t label(int64_t index) const override { return labels_.at(static_cast<size_t>(index)); }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::string describe() const override { return "labels"; }
  bool multi_label() const override { return names_.size() == 1; }
  std::string group(int64_t index) const override { return "patient " + std::to_string(index / 2); }

 protected:
  std::vector<int64_t> labels_;
  std::vector<std::string> names_;
};

/// One class that is a yes or no of its own: samples 0, 3, 6, .. have it.
class OneOfSeveral : public Labels {
 public:
  explicit OneOfSeveral(int64_t size) : Labels({size}) {
    for (size_t i = 0; i < labels_.size(); i += 3) labels_[i] = 1;
  }
};

}  // namespace

TEST_CASE("a holdout takes each class in proportion, the same samples each time, and a subset shows them alone", "[holdout]") {
  const Labels labels({500, 300, 151, 49});
  const auto held = holdout_indices(labels, 100);
  REQUIRE(held.size() == 100);
  CHECK(held == holdout_indices(labels, 100));
  CHECK(std::is_sorted(held.begin(), held.end()));
  CHECK(std::set<int64_t>(held.begin(), held.end()).size() == 100);
  std::map<int64_t, int> of_class;
  for (const int64_t index : held) ++of_class[labels.label(index)];
  CHECK(of_class == std::map<int64_t, int>{{0, 50}, {1, 30}, {2, 15}, {3, 5}});  // 50, 30, 15.1, 4.9
  // Larger ones contain smaller ones where quotas grow.
  const auto more = holdout_indices(labels, 200);
  CHECK(std::includes(more.begin(), more.end(), held.begin(), held.end()));
  const auto subset = make_subset(labels, held);
  CHECK(subset->size() == 100);
  CHECK(subset->label(7) == labels.label(held[7]));
  CHECK(subset->group(7) == labels.group(held[7]));
  CHECK_FALSE(subset->multi_label());
  CHECK_THROWS_AS(holdout_indices(labels, 1000), ConfigError);
  CHECK_THROWS_AS(holdout_indices(labels, 0), ConfigError);
}

TEST_CASE("a holdout of samples with several labels goes by the yes or no that the data set calls a sample by", "[holdout]") {
  const OneOfSeveral labels(90);
  const auto held = holdout_indices(labels, 30);
  CHECK(std::count_if(held.begin(), held.end(), [&labels](int64_t index) { return labels.label(index) == 1; }) == 10);
  CHECK(make_subset(labels, held)->multi_label());
}
