// RandAugment's operations against Pillow's results, bit for bit (parity).
#include <cmath>

#include "data/recipe.h"
#include "data/transforms/geometry.h"
#include "data/transforms/rand_augment.h"
#include "support/golden_pictures.h"

using namespace liere;
using namespace liere::test;

namespace {

/// Checks the table's argument against the golden's (its sign is a draw) and applies the operation with it.
Frames apply_entry(const AugmentOperation& operation, const Frames& in, double magnitude, OperationArguments arguments) {
  const double unsigned_argument = operation.argument(magnitude, in.shape().height, in.shape().width);
  if (operation.draw == AugmentOperation::Draw::kSign)
    CHECK(std::abs(arguments.argument) == unsigned_argument);
  else
    CHECK(arguments.argument == unsigned_argument);
  return operation.apply(in, arguments);
}

OperationArguments arguments_of(const safetensors::File& file, const std::string& key, const std::string& name, const std::vector<double>& argument,
                                size_t i) {
  OperationArguments arguments{argument.empty() ? 0 : argument[i]};
  if (file.contains(key + ".centre." + name)) {
    const auto centre = values<double>(file, key + ".centre." + name);
    arguments.centre_x = centre[2 * i];
    arguments.centre_y = centre[2 * i + 1];
  }
  return arguments;
}

/// `argument_name`: (key of the operation, picture) -> tensor of its arguments; `magnitudes`: key -> magnitude of each entry.
template <class ArgumentName, class Magnitudes>
void compare_table(const safetensors::File& file, RandAugmentKind kind, const std::string& prefix, ArgumentName argument_name, Magnitudes magnitudes,
                   Comparison& comparison) {
  for (const auto& operation : rand_augment_operations(kind)) {
    const std::string key = prefix + std::string(operation.name);
    const auto pictures = picture_names(file, key + ".out.");
    REQUIRE(!pictures.empty());
    for (const auto& name : pictures) {
      const Frames in = picture(file, "in." + name);
      const std::string tensor = argument_name(key, name);
      const auto argument = file.contains(tensor) ? values<double>(file, tensor) : std::vector<double>{};
      const auto magnitude = magnitudes(key);
      REQUIRE(magnitude.size() == static_cast<size_t>(file.info(key + ".out." + name).shape[0]));
      for (size_t i = 0; i < magnitude.size(); ++i)
        comparison.add(key + " " + name + " " + std::to_string(i),
                       apply_entry(operation, in, magnitude[i], arguments_of(file, key, name, argument, i)),
                       picture(file, key + ".out." + name, static_cast<int64_t>(i)));
    }
  }
}

/// The 15 operations of clips: the argument is made of magnitude and sign here, and checked with the golden's.
void compare_increasing(const safetensors::File& file, const std::string& prefix, const std::string& title) {
  Comparison comparison(title);
  REQUIRE(rand_augment_operations(RandAugmentKind::kIncreasing).size() == 15);
  for (const auto& operation : rand_augment_operations(RandAugmentKind::kIncreasing)) {
    const std::string key = prefix + std::string(operation.name);
    const auto magnitude = values<double>(file, key + ".mag"), negated = values<double>(file, key + ".negated"), argument = values<double>(file, key + ".arg");
    const auto pictures = picture_names(file, key + ".out.");
    REQUIRE(!pictures.empty());
    for (const auto& name : pictures)
      for (size_t i = 0; i < magnitude.size(); ++i) {
        const Frames in = picture(file, "in." + name);
        OperationArguments arguments{operation.argument(magnitude[i], in.shape().height, in.shape().width)};
        if (operation.draw == AugmentOperation::Draw::kSign && negated[i] != 0) arguments.argument = -arguments.argument;
        INFO(key << " entry " << i);
        const bool factor = operation.draw == AugmentOperation::Draw::kSign && !operation.matrix;
        CHECK((factor ? 1 : 0) + arguments.argument == argument[i]);
        comparison.add(key + " " + name + " " + std::to_string(i), operation.apply(in, arguments), picture(file, key + ".out." + name, static_cast<int64_t>(i)));
      }
  }
  comparison.finish();
}

}  // namespace

TEST_CASE("released RandAugment parity", "[parity][augment]") {
  const auto file = open_golden("augment_randaugment_cifar.safetensors");
  if (!file) return;
  Comparison comparison("augment_randaugment_cifar");
  compare_table(
      *file, RandAugmentKind::kReleased, "", [](const std::string& key, const std::string&) { return key + ".arg"; },
      [&](const std::string& key) { return values<double>(*file, key + ".mag"); }, comparison);
  comparison.finish();
}

TEST_CASE("torchvision RandAugment parity", "[parity][augment]") {
  const auto file = open_golden("augment_randaugment_torchvision.safetensors");
  if (!file) return;
  Comparison comparison("augment_randaugment_torchvision");
  compare_table(
      *file, RandAugmentKind::kTorchvision, "", [](const std::string& key, const std::string& name) { return key + ".arg." + name; },
      [&](const std::string& key) {
        const auto bins = values<int32_t>(*file, key + ".bin");
        return std::vector<double>(bins.begin(), bins.end());
      },
      comparison);
  comparison.finish();
}

TEST_CASE("increasing RandAugment parity", "[parity][augment][clip]") {
  const auto file = open_golden("augment_randaugment_video.safetensors");
  if (!file) return;
  compare_increasing(*file, "", "augment_randaugment_video");
}

TEST_CASE("increasing RandAugment parity on a synthetic picture", "[parity][augment][clip]") {
  const auto file = open_golden("clip_synthetic.safetensors");
  REQUIRE(file);  // part of the source
  compare_increasing(*file, "", "clip_synthetic (operations)");
}

TEST_CASE("torchvision magnitude tables parity", "[parity][augment]") {
  const auto file = open_golden("augment_randaugment_torchvision.safetensors");
  if (!file) return;
  int compared = 0;
  for (const auto& operation : rand_augment_operations(RandAugmentKind::kTorchvision))
    for (const auto& [suffix, height, width] : {std::tuple{"", 32, 32}, {".32x32", 32, 32}, {".48x64", 48, 64}, {".224x224", 224, 224}}) {
      const std::string name = "table." + std::string(operation.name) + suffix;
      if (!file->contains(name)) continue;
      std::vector<double> expected;
      if (operation.name == "Posterize")
        for (int32_t bits : values<int32_t>(*file, name)) expected.push_back(bits);
      else
        for (float value : values<float>(*file, name)) expected.push_back(value);
      REQUIRE(expected.size() == 31);
      for (int bin = 0; bin < 31; ++bin) {
        INFO(name << " bin " << bin);
        CHECK(operation.argument(bin, height, width) == expected[bin]);
      }
      ++compared;
    }
  CHECK(compared == 15);
}

TEST_CASE("rotation matrix parity", "[parity][augment]") {
  const auto file = open_golden("augment_randaugment_cifar.safetensors");
  if (!file) return;
  const auto degrees = values<double>(*file, "Rotate.arg");
  for (const auto& name : picture_names(*file, "Rotate.matrix.")) {
    const auto expected = values<double>(*file, "Rotate.matrix." + name);
    const Frames in = picture(*file, "in." + name);
    for (size_t i = 0; i < degrees.size(); ++i) {
      if (degrees[i] == 0) continue;  // copied, the golden says identity
      const auto found = rotation_matrix(degrees[i], in.shape().height, in.shape().width);
      CHECK(std::equal(found.begin(), found.end(), expected.begin() + static_cast<int64_t>(i) * 6));
    }
  }
}

TEST_CASE("crop and flip parity", "[parity][augment]") {
  const auto file = open_golden("augment_crop_flip.safetensors");
  if (!file) return;
  Comparison comparison("augment_crop_flip");
  const auto cases = values<int32_t>(*file, "cases");
  for (const auto& name : picture_names(*file, "raw.")) {
    const Frames in = picture(*file, "in." + name);
    const auto expected_floats = values<float>(*file, "out." + name);
    for (int64_t i = 0; i < static_cast<int64_t>(cases.size()) / 3; ++i) {
      Frames out = crop(in, {cases[3 * i] - 4, cases[3 * i + 1] - 4, 32, 32});
      if (cases[3 * i + 2]) out = flip_horizontal(std::move(out));
      comparison.add(name, out, picture(*file, "raw." + name, i));
      std::vector<float> normalized(3 * 32 * 32);
      normalize(out, {{.4914f, .4822f, .4465f}, {.2023f, .1994f, .2010f}}, normalized.data());
      CHECK(std::memcmp(normalized.data(), expected_floats.data() + i * 3072, 3072 * sizeof(float)) == 0);
    }
  }
  comparison.finish();
}

TEST_CASE("synthetic pictures parity", "[parity][augment]") {
  const auto file = open_golden("augment_synthetic.safetensors");
  REQUIRE(file);  // part of the source
  Comparison comparison("augment_synthetic (operations)");
  const auto argument_name = [](const std::string& key, const std::string& name) { return key + ".arg." + name; };
  const auto magnitudes = [&](const std::string& key) { return values<double>(*file, key + ".mag"); };
  compare_table(*file, RandAugmentKind::kReleased, "released.", argument_name, magnitudes, comparison);
  compare_table(*file, RandAugmentKind::kTorchvision, "torchvision.", argument_name, magnitudes, comparison);
  const auto cases = values<int32_t>(*file, "crop_flip.cases");
  for (const auto& name : picture_names(*file, "crop_flip.out.")) {
    const Frames in = picture(*file, "in." + name);
    for (int64_t i = 0; i < static_cast<int64_t>(cases.size()) / 3; ++i) {
      Frames out = crop(in, {cases[3 * i] - 4, cases[3 * i + 1] - 4, in.shape().height, in.shape().width});
      if (cases[3 * i + 2]) out = flip_horizontal(std::move(out));
      comparison.add("crop_flip " + name, out, picture(*file, "crop_flip.out." + name, i));
    }
  }
  comparison.finish();
}
