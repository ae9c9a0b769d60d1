#include "data/transforms/rand_augment.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/check.h"
#include "data/transforms/affine_bicubic.h"
#include "data/transforms/color.h"
#include "data/transforms/geometry.h"
#include "data/transforms/rand_augment_increasing.h"

namespace liere {
namespace {

using Draw = AugmentOperation::Draw;
using Reads = AugmentOperation::Reads;
using Arguments = OperationArguments;

constexpr Rgb kCutoutFill{125, 123, 114};

// ---- arguments from the magnitude

double no_argument(double, int64_t, int64_t) { return 0; }

template <double low, double high>
double released(double magnitude, int64_t, int64_t) {
  return (magnitude / 30) * (high - low) + low;
}

/// Entry `bin` of a float32 linspace(start, end, 31) as torch computes it: from both ends, the upper half with one rounding.
double linspace_bin(double start_value, double end_value, double magnitude) {
  const int bin = static_cast<int>(magnitude);
  const auto start = static_cast<float>(start_value), end = static_cast<float>(end_value);
  const float step = (end - start) / 30.0f;
  if (bin < 15) return step * static_cast<float>(bin) + start;
  return static_cast<float>(static_cast<double>(end) - static_cast<double>(step) * (30 - bin));
}

template <double start, double end>
double binned(double magnitude, int64_t, int64_t) {
  return linspace_bin(start, end, magnitude);
}

double binned_width(double magnitude, int64_t, int64_t width) { return linspace_bin(0, 150.0 / 331.0 * static_cast<double>(width), magnitude); }
double binned_height(double magnitude, int64_t height, int64_t) { return linspace_bin(0, 150.0 / 331.0 * static_cast<double>(height), magnitude); }

double binned_bits(double magnitude, int64_t, int64_t) {
  // 8 - round(i / 7.5); the halves (i = 3.75, ...) are not whole bins, so the rounding of ties does not matter.
  return 8 - std::floor(magnitude / 7.5 + 0.5);
}

// ---- operations

Frames identity(Frames frames, const Arguments&) { return frames; }
Frames apply_autocontrast(Frames frames, const Arguments&) { return autocontrast(std::move(frames)); }
Frames apply_equalize(Frames frames, const Arguments&) { return equalize(std::move(frames)); }
Frames apply_invert(Frames frames, const Arguments&) { return invert(std::move(frames)); }
Frames apply_posterize(Frames frames, const Arguments& a) {
  return posterize(std::move(frames), std::max<int64_t>(1, static_cast<int64_t>(a.argument)));
}
Frames apply_solarize(Frames frames, const Arguments& a) { return solarize(std::move(frames), a.argument); }
Frames apply_solarize_add(Frames frames, const Arguments& a) { return solarize_add(std::move(frames), a.argument); }
Frames paint_cutout(Frames frames, const Box& part, int64_t height, int64_t width, const Arguments& a) {
  return cutout_part(std::move(frames), part, height, width, a.centre_x, a.centre_y, a.argument, kCutoutFill);
}
Frames apply_cutout(Frames frames, const Arguments& a) { return cutout(std::move(frames), a.centre_x, a.centre_y, a.argument, kCutoutFill); }

/// `base` 0: the argument is the factor (released); 1: its distance from 1 (torchvision).
template <Frames (*adjust)(Frames, double), int base>
Frames apply_factor(Frames frames, const Arguments& a) {
  return adjust(std::move(frames), base + a.argument);
}

AffineMatrix rotation(const Arguments& a, int64_t height, int64_t width) { return rotation_matrix(a.argument, height, width); }
AffineMatrix shear_x(const Arguments& a, int64_t, int64_t) { return {1, a.argument, 0, 0, 1, 0}; }
AffineMatrix shear_y(const Arguments& a, int64_t, int64_t) { return {1, 0, 0, a.argument, 1, 0}; }
AffineMatrix translate_x(const Arguments& a, int64_t, int64_t) { return {1, 0, a.argument, 0, 1, 0}; }
AffineMatrix translate_y(const Arguments& a, int64_t, int64_t) { return {1, 0, 0, 0, 1, a.argument}; }

/// torchvision goes through degrees and back: the slope differs from the argument in the last bit.
double shear_angle(double slope) {
  constexpr double kPi = std::numbers::pi;
  return (std::atan(slope) * (180.0 / kPi)) * (kPi / 180.0);
}
AffineMatrix shear_x_by_angle(const Arguments& a, int64_t, int64_t) { return {1, std::tan(shear_angle(a.argument)), 0, 0, 1, 0}; }
AffineMatrix shear_y_by_angle(const Arguments& a, int64_t, int64_t) {
  const double angle = shear_angle(a.argument);
  return {1, 0, 0, std::sin(angle) / std::cos(angle), 1, 0};
}
/// torchvision moves by whole pixels, right and down for positive arguments.
AffineMatrix translate_x_whole(const Arguments& a, int64_t, int64_t) { return {1, 0, -std::trunc(a.argument), 0, 1, 0}; }
AffineMatrix translate_y_whole(const Arguments& a, int64_t, int64_t) { return {1, 0, 0, 0, 1, -std::trunc(a.argument)}; }

template <AffineMatrix (*matrix)(const Arguments&, int64_t, int64_t)>
Frames apply_map(Frames frames, const Arguments& a) {
  return affine_nearest(frames, matrix(a, frames.shape().height, frames.shape().width));
}

constexpr AugmentOperation map_operation(std::string_view name, double (*argument)(double, int64_t, int64_t),
                                         Frames (*apply)(Frames, const Arguments&), AffineMatrix (*matrix)(const Arguments&, int64_t, int64_t)) {
  return {name, Draw::kSign, argument, apply, Reads::kMap, matrix};
}

constexpr AugmentOperation kReleased[] = {
    {"AutoContrast", Draw::kNothing, no_argument, apply_autocontrast, Reads::kPicture},
    {"Equalize", Draw::kNothing, no_argument, apply_equalize, Reads::kPicture},
    {"Invert", Draw::kNothing, no_argument, apply_invert},
    map_operation("Rotate", released<0.0, 30.0>, apply_map<rotation>, rotation),
    {"Posterize", Draw::kNothing, released<0.0, 4.0>, apply_posterize},
    {"Solarize", Draw::kNothing, released<0.0, 256.0>, apply_solarize},
    {"SolarizeAdd", Draw::kNothing, released<0.0, 110.0>, apply_solarize_add},
    {"Color", Draw::kNothing, released<0.1, 1.9>, apply_factor<adjust_color, 0>},
    {"Contrast", Draw::kNothing, released<0.1, 1.9>, apply_factor<adjust_contrast, 0>, Reads::kPicture},
    {"Brightness", Draw::kNothing, released<0.1, 1.9>, apply_factor<adjust_brightness, 0>},
    {"Sharpness", Draw::kNothing, released<0.1, 1.9>, apply_factor<adjust_sharpness, 0>, Reads::kNeighbours},
    map_operation("ShearX", released<0.0, 0.3>, apply_map<shear_x>, shear_x),
    map_operation("ShearY", released<0.0, 0.3>, apply_map<shear_y>, shear_y),
    {"CutoutAbs", Draw::kCentre, released<0.0, 40.0>, apply_cutout, Reads::kPlace},
    map_operation("TranslateXabs", released<0.0, 100.0>, apply_map<translate_x>, translate_x),
    map_operation("TranslateYabs", released<0.0, 100.0>, apply_map<translate_y>, translate_y),
};

constexpr AugmentOperation kTorchvision[] = {
    {"Identity", Draw::kNothing, no_argument, identity},
    map_operation("ShearX", binned<0.0, 0.3>, apply_map<shear_x_by_angle>, shear_x_by_angle),
    map_operation("ShearY", binned<0.0, 0.3>, apply_map<shear_y_by_angle>, shear_y_by_angle),
    map_operation("TranslateX", binned_width, apply_map<translate_x_whole>, translate_x_whole),
    map_operation("TranslateY", binned_height, apply_map<translate_y_whole>, translate_y_whole),
    map_operation("Rotate", binned<0.0, 30.0>, apply_map<rotation>, rotation),
    {"Brightness", Draw::kSign, binned<0.0, 0.9>, apply_factor<adjust_brightness, 1>},
    {"Color", Draw::kSign, binned<0.0, 0.9>, apply_factor<adjust_color, 1>},
    {"Contrast", Draw::kSign, binned<0.0, 0.9>, apply_factor<adjust_contrast, 1>, Reads::kPicture},
    {"Sharpness", Draw::kSign, binned<0.0, 0.9>, apply_factor<adjust_sharpness, 1>, Reads::kNeighbours},
    {"Posterize", Draw::kNothing, binned_bits, apply_posterize},
    {"Solarize", Draw::kNothing, binned<255.0, 0.0>, apply_solarize},
    {"AutoContrast", Draw::kNothing, no_argument, apply_autocontrast, Reads::kPicture},
    {"Equalize", Draw::kNothing, no_argument, apply_equalize, Reads::kPicture},
};

bool bicubic(const DrawnOperation& drawn) { return drawn.operation->sampling == AugmentOperation::Sampling::kBicubic; }

/// What the box `after` of an operation's result reads.
Box read_by(const DrawnOperation& drawn, int64_t height, int64_t width, const Box& after) {
  switch (drawn.operation->reads) {
    case Reads::kPicture:
      return {0, 0, height, width};
    case Reads::kMap:
      return (bicubic(drawn) ? affine_bicubic_source_box : affine_source_box)(height, width, drawn.operation->matrix(drawn.arguments, height, width), after);
    case Reads::kNeighbours: {
      const int64_t top = std::max<int64_t>(after.top - 1, 0), left = std::max<int64_t>(after.left - 1, 0);
      return {top, left, std::min(after.top + after.height + 1, height) - top, std::min(after.left + after.width + 1, width) - left};
    }
    case Reads::kPixel:
    case Reads::kPlace:
      break;
  }
  return after;
}

Frames part_of(Frames frames, const Box& held, const Box& wanted) {
  if (held == wanted) return frames;
  return crop(frames, {wanted.top - held.top, wanted.left - held.left, wanted.height, wanted.width});
}

}  // namespace

std::span<const AugmentOperation> rand_augment_operations(RandAugmentKind kind) {
  switch (kind) {
    case RandAugmentKind::kReleased:
      return kReleased;
    case RandAugmentKind::kTorchvision:
      return kTorchvision;
    case RandAugmentKind::kIncreasing:
      return increasing_operations();
    case RandAugmentKind::kNone:
      break;
  }
  return {};
}

void require_valid(const RandAugmentConfig& config) {
  if (config.kind == RandAugmentKind::kTorchvision && config.magnitude != std::floor(config.magnitude))
    throw ConfigError("augment.rand_augment.magnitude: torchvision's definition has whole bins 0..30, found " + std::to_string(config.magnitude) +
                      "; choose a whole number or kind released");
  if (config.kind == RandAugmentKind::kIncreasing) {
    if (config.magnitude > 10)
      throw ConfigError("augment.rand_augment.magnitude: kind increasing has magnitudes 0..10, found " + std::to_string(config.magnitude) +
                        "; the usual value for clips is 7");
    return;
  }
  const RandAugmentConfig defaults;
  const auto refuse = [](const std::string& key, double found) {
    throw ConfigError("augment.rand_augment." + key + ": only kind increasing has one, found " + std::to_string(found) +
                      " with another kind; leave the key out or set kind: increasing");
  };
  if (config.deviation != defaults.deviation) refuse("deviation", config.deviation);
  if (config.probability != defaults.probability) refuse("probability", config.probability);
}

std::vector<DrawnOperation> draw_rand_augment(const RandAugmentConfig& config, int64_t height, int64_t width, Rng& rng) {
  if (config.kind == RandAugmentKind::kIncreasing) return draw_increasing(config, height, width, rng);
  const auto table = rand_augment_operations(config.kind);
  std::vector<DrawnOperation> drawn(table.empty() ? 0 : config.operations);
  for (auto& [operation, arguments] : drawn) {
    operation = &table[rng.integer(static_cast<int64_t>(table.size()))];
    arguments.argument = operation->argument(config.magnitude, height, width);
    if (operation->draw == Draw::kSign && rng.coin()) arguments.argument = -arguments.argument;
    if (operation->draw == Draw::kCentre) {
      arguments.centre_x = static_cast<double>(width) + static_cast<double>(1 - width) * rng.uniform();
      arguments.centre_y = static_cast<double>(height) + static_cast<double>(1 - height) * rng.uniform();
    }
  }
  return drawn;
}

Frames apply_operations(Frames frames, std::span<const DrawnOperation> operations) {
  for (const auto& [operation, arguments] : operations) frames = operation->apply(std::move(frames), arguments);
  return frames;
}

Box operations_source_box(std::span<const DrawnOperation> operations, int64_t height, int64_t width, const Box& window) {
  Box box = window;
  for (size_t i = operations.size(); i-- > 0;) box = read_by(operations[i], height, width, box);
  return box;
}

Frames apply_operations_in_window(Frames frames, const Box& source, int64_t height, int64_t width, std::span<const DrawnOperation> operations,
                                  const Box& window) {
  std::vector<Box> boxes{window};  // before each operation, the last one's first
  for (size_t i = operations.size(); i-- > 0;) boxes.push_back(read_by(operations[i], height, width, boxes.back()));
  Box held = source;
  for (size_t i = 0; i < operations.size(); ++i) {
    const auto& [operation, arguments] = operations[i];
    const Box& after = boxes[operations.size() - 1 - i];
    if (operation->reads == Reads::kMap) {
      const AffineMatrix matrix = operation->matrix(arguments, height, width);
      frames = bicubic(operations[i]) ? affine_bicubic_window(frames, held, height, width, matrix, after, kBicubicFill)
                                      : affine_nearest_window(frames, held, height, width, matrix, after);
      held = after;
      continue;
    }
    frames = part_of(std::move(frames), held, boxes[operations.size() - i]);
    held = boxes[operations.size() - i];
    frames = operation->reads == Reads::kPlace ? paint_cutout(std::move(frames), held, height, width, arguments)
                                               : operation->apply(std::move(frames), arguments);
  }
  return part_of(std::move(frames), held, window);
}

}  // namespace liere
