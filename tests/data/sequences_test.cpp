// The one-dimensional task: what stands where, that no bag of tokens and no place gives the class away, and how it is drawn.
#include <cmath>
#include <map>

#include "core/check.h"
#include "data/datasets/sequences.h"
#include "data/recipes.h"
#include "support/catch.h"

using namespace liere;

TEST_CASE("sequences: the markers are the class apart, whatever stands around them", "[sequences]") {
  const SequencesConfig config;
  const auto data = make_sequences(config, Split::kTrain);
  CHECK(data->size() == 32000);
  CHECK(data->class_names() == std::vector<std::string>{"1", "2", "3", "4", "5", "6", "7", "8"});
  for (int64_t i = 0; i < 500; ++i)
    for (const int64_t length : {32, 48}) {
      const auto s = arrange_sequence(config, Split::kTrain, i, length);
      REQUIRE(static_cast<int64_t>(s.tokens.size()) == length);
      CHECK(std::count(s.tokens.begin(), s.tokens.end(), 6) == 1);
      CHECK(std::count(s.tokens.begin(), s.tokens.end(), 7) == 1);
      const auto a = std::find(s.tokens.begin(), s.tokens.end(), 6) - s.tokens.begin(), b = std::find(s.tokens.begin(), s.tokens.end(), 7) - s.tokens.begin();
      CHECK(b - a == s.distance);
      CHECK(data->label(i) == s.distance - 1);
    }
  const auto again = arrange_sequence(config, Split::kTrain, 17, 32), test = arrange_sequence(config, Split::kTest, 17, 32);
  CHECK(again.tokens == arrange_sequence(config, Split::kTrain, 17, 32).tokens);
  CHECK(again.tokens != test.tokens);
}

TEST_CASE("sequences: classes are equally frequent, and neither symbols nor the place of A tell them", "[sequences]") {
  SequencesConfig config;
  config.distances = 4;
  constexpr int64_t kCount = 24000;
  std::vector<int64_t> classes(4);
  std::map<int64_t, std::vector<int64_t>> of_place, of_symbols;  // place of A, number of symbol 0 -> count of each class
  for (int64_t i = 0; i < kCount; ++i) {
    const auto s = arrange_sequence(config, Split::kTrain, i, 16);
    const auto label = static_cast<size_t>(s.distance - 1);
    ++classes[label];
    const auto place = std::find(s.tokens.begin(), s.tokens.end(), 6) - s.tokens.begin(), zeros = std::count(s.tokens.begin(), s.tokens.end(), 0);
    for (auto* table : {&of_place[place], &of_symbols[zeros]}) {
      table->resize(4);
      ++(*table)[label];
    }
  }
  // Within five standard deviations of a binomial draw.
  const auto even = [](const std::vector<int64_t>& counts) {
    double total = 0;
    for (const auto c : counts) total += static_cast<double>(c);
    for (const auto c : counts)
      if (std::abs(static_cast<double>(c) - total / 4) > 5 * std::sqrt(total * 3 / 16)) return false;
    return true;
  };
  CHECK(even(classes));
  CHECK(of_place.size() == 12);
  for (const auto& [place, counts] : of_place) CHECK(even(counts));
  for (const auto& [zeros, counts] : of_symbols) CHECK(even(counts));
}

TEST_CASE("sequences: a sample is a row of pixels that hold the bits of the tokens", "[sequences]") {
  const SequencesConfig config;
  const auto source = make_sequences(config, Split::kTest, 40)->open(3);
  CHECK(source->info().shape == FrameShape{1, 1, 40, 3});
  CHECK(source->info().name == "sequences test 3");
  const auto tokens = arrange_sequence(config, Split::kTest, 3, 40).tokens;
  const auto whole = source->decode({}), part = source->decode({{}, Box{0, 5, 1, 7}});
  for (int64_t i = 0; i < 40; ++i)
    for (int64_t bit = 0; bit < 3; ++bit) CHECK(whole.u8()[i * 3 + bit] == ((tokens[static_cast<size_t>(i)] >> bit) & 1 ? 255 : 0));
  for (int64_t i = 0; i < 21; ++i) CHECK(part.u8()[i] == whole.u8()[15 + i]);
}

TEST_CASE("sequences: markers that do not fit are refused by their keys", "[sequences]") {
  SequencesConfig config;
  config.length = 8;
  CHECK_THROWS_WITH(make_sequences(config, Split::kTrain), Catch::Contains("data.distances is 8") && Catch::Contains("8 tokens"));
  CHECK_THROWS_AS(make_sequences(SequencesConfig{}, Split::kTrain)->label(32000), Error);
}

TEST_CASE("sequences: the recipe gives the tokens' bits as -1 and 1 along one axis, and refuses what would change them", "[sequences]") {
  SequencesConfig config;
  AugmentConfig augment;
  augment.normalization = NormalizationKind::kHalf;
  for (const auto& recipe : {make_train_recipe(config, augment, {32}), make_eval_recipe(config, augment, {32})}) {
    CHECK(recipe->axes() == 1);
    CHECK(recipe->output_shape() == FrameShape{1, 1, 32, 3});
    const auto source = make_sequences(config, Split::kTrain)->open(9);
    const auto plan = recipe->plan(source->info(), Rng(1, Purpose::kAugmentation), 0);
    std::vector<float> values(3 * 32);
    fill_input(plan, source->decode(plan.request), *recipe, "x", values.data());
    const auto tokens = arrange_sequence(config, Split::kTrain, 9, 32).tokens;
    for (size_t i = 0; i < 32; ++i)
      for (size_t bit = 0; bit < 3; ++bit) CHECK(values[bit * 32 + i] == ((tokens[i] >> bit) & 1 ? 1.0f : -1.0f));
  }
  augment.flip = 0.5;
  CHECK_THROWS_WITH(make_train_recipe(config, augment, {32}), Catch::Contains("augment.flip"));
}
