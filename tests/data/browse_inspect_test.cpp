// What liere-data does: statistics with known results, the keys it reads, and samples on a contact sheet.
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "data/browse.h"
#include "data/data_keys.h"
#include "data/datasets/factory.h"
#include "data/inspect.h"
#include "support/matchers.h"
#include "data/recipe_picture.h"

using namespace liere;
using test::has;

namespace {

/// Sample i: 2 x 2 pixels, red = 10 i, green 0 and 255 by turns, blue 51; label i % 3.
class Known final : public Dataset {
 public:
  class Picture final : public Source {
   public:
    explicit Picture(int64_t index) : index_(index) {}
    SourceInfo info() const override { return {{1, 2, 2, 3}, index_ % 3, "known " + std::to_string(index_)}; }
    Frames decode(const Request&) const override {
      Frames frames(PixelType::kU8, {1, 2, 2, 3});
      for (int p = 0; p < 4; ++p) {
        const uint8_t pixel[3] = {static_cast<uint8_t>(10 * index_), static_cast<uint8_t>(p % 2 * 255), 51};
        std::memcpy(frames.u8() + 3 * p, pixel, 3);
      }
      return frames;
    }

   private:
    int64_t index_;
  };
  int64_t size() const override { return 5; }
  std::unique_ptr<Source> open(int64_t index) const override { return std::make_unique<Picture>(index); }
  int64_t label(int64_t index) const override { return index % 3; }
  const std::vector<std::string>& class_names() const override {
    static const std::vector<std::string> names = {"a", "b", "c"};
    return names;
  }
  std::string describe() const override { return "known"; }
};

ConfigError config_error(const std::string& text) {
  try {
    read_data_keys(parse_config(text, "test"));
  } catch (const ConfigError& error) {
    return error;
  }
  return ConfigError("no error");
}

}  // namespace

TEST_CASE("statistics are the exact counts, means and deviations") {
  const auto statistics = compute_statistics(Known(), 100);
  CHECK(statistics.size == 5);
  CHECK(statistics.class_counts == std::vector<int64_t>{2, 2, 1});
  CHECK(statistics.pixel_samples == 5);
  REQUIRE(statistics.mean.size() == 3);
  CHECK(statistics.mean[0] == Approx(20.0 / 255).epsilon(1e-12));
  CHECK(statistics.std[0] == Approx(std::sqrt(200.0) / 255).epsilon(1e-12));  // of 0 10 20 30 40
  CHECK(statistics.mean[1] == Approx(0.5).epsilon(1e-12));
  CHECK(statistics.std[1] == Approx(0.5).epsilon(1e-12));
  CHECK(statistics.mean[2] == Approx(0.2).epsilon(1e-12));
  CHECK(statistics.std[2] == 0);
  CHECK_THAT(to_text(statistics), has("3 classes, 1 (c) to 2 (b) samples") && has("mean 0.0784 0.5000 0.2000") && has("over all samples"));
  const auto json = to_json(statistics);
  CHECK(json["samples"] == 5);
  CHECK(json["classes"][2] == nlohmann::ordered_json({{"name", "c"}, {"samples", 1}}));
  const auto first_two = compute_statistics(Known(), 2);
  CHECK(first_two.mean[0] == Approx(5.0 / 255).epsilon(1e-12));
  CHECK_THAT(to_text(first_two), has("over the first 2 samples"));
}

TEST_CASE("a contact sheet of a data set shows the samples asked for, as far as there are any") {
  const Frames sheet = contact_sheet(Known(), 3, 10);
  const int64_t scale = magnification({1, 2, 2, 3}), top_left = (12 * sheet.shape().width + 12) * 3;
  CHECK(sheet.shape().width == 12 + 2 * (2 * scale + 12));  // samples 3 and 4
  CHECK(int(sheet.u8()[top_left]) == 30);
  CHECK(int(sheet.u8()[top_left + (2 * scale + 12) * 3]) == 40);
  CHECK_THROWS_WITH(contact_sheet(Known(), 5, 1), has("samples 0..4"));

  AugmentConfig augment;
  augment.flip = 1;
  const auto recipe = make_train_recipe(augment, 2, 2);
  const Frames mirrored = contact_sheet(Known(), 3, 1, recipe.get(), 7);
  const Frames stored = contact_sheet(Known(), 3, 1);
  REQUIRE(mirrored.shape() == stored.shape());
  CHECK(int(stored.u8()[(12 * stored.shape().width + 12) * 3 + 1]) == 0);
  CHECK(int(mirrored.u8()[(12 * mirrored.shape().width + 12) * 3 + 1]) == 255);
}

TEST_CASE("the data keys of an experiment are read strictly, the others not at all") {
  const auto keys =
      read_data_keys(parse_config("seed: 5\nmodel: {preset: whatever, input_size: [108, 96]}\ntrain: {nonsense: 1}\naugment: {flip: 0.5}\ndata: "
                                  "{kind: arrows, cell: 16, directions: balanced, fraction: 0.4}\n",
                                  "test"));
  CHECK(keys.seed == 5);
  CHECK(keys.input_size == std::vector<int64_t>{108, 96});
  CHECK(keys.augment.flip == 0.5);
  CHECK(keys.data.fraction == 0.4);
  const auto& arrows = std::get<ArrowsConfig>(keys.data.dataset);
  CHECK(arrows.cell == 16);
  CHECK(arrows.directions == ArrowDirections::kBalanced);
  CHECK_THAT(config_error("seed: 1\n").what(), has("no key data"));
  CHECK_THAT(config_error("data: {kind: arrows, root: x}\n").what(), has("root"));
  CHECK_THAT(config_error("data: {kind: cifra100}\n").what(), has("cifar100"));
  CHECK_THAT(config_error("data: {kind: cifar100, fraction: 0}\n").what(), has("data.fraction"));
  CHECK(read_data_keys(parse_config("data: {kind: cifar100}\nmodel: {input_size: [8, 224, 224]}\n", "test")).input_size == std::vector<int64_t>{8, 224, 224});
  CHECK_THAT(config_error("data: {kind: cifar100}\nmodel: {input_size: [8]}\n").what(), has("1 axes"));
}
