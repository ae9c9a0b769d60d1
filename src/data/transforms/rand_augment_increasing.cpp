#include "data/transforms/rand_augment_increasing.h"

#include <algorithm>
#include <cmath>

#include "data/transforms/affine_bicubic.h"
#include "data/transforms/color.h"

namespace liere {
namespace {

using Draw = AugmentOperation::Draw;
using Reads = AugmentOperation::Reads;
using Arguments = OperationArguments;

double no_argument(double, int64_t, int64_t) { return 0; }
template <double scale>
double scaled(double level, int64_t, int64_t) {
  return (level / 10) * scale;
}
double bits(double level, int64_t, int64_t) { return 4 - std::trunc((level / 10) * 4); }
double threshold(double level, int64_t, int64_t) { return 256 - std::trunc((level / 10) * 256); }
double addend(double level, int64_t, int64_t) { return std::trunc((level / 10) * 110); }

Frames apply_autocontrast(Frames frames, const Arguments&) { return autocontrast(std::move(frames)); }
Frames apply_equalize(Frames frames, const Arguments&) { return equalize(std::move(frames)); }
Frames apply_invert(Frames frames, const Arguments&) { return invert(std::move(frames)); }
Frames apply_posterize(Frames frames, const Arguments& a) { return posterize(std::move(frames), static_cast<int64_t>(a.argument)); }
Frames apply_solarize(Frames frames, const Arguments& a) { return solarize(std::move(frames), a.argument); }
Frames apply_add(Frames frames, const Arguments& a) { return add_to_dark(std::move(frames), static_cast<int64_t>(a.argument)); }
template <Frames (*adjust)(Frames, double)>
Frames apply_factor(Frames frames, const Arguments& a) {
  return adjust(std::move(frames), 1 + a.argument);
}

AffineMatrix rotation(const Arguments& a, int64_t height, int64_t width) {
  if (a.argument == 0) return {1, 0, 0, 0, 1, 0};
  return rotation_matrix(a.argument, height, width);
}
AffineMatrix shear_x(const Arguments& a, int64_t, int64_t) { return {1, a.argument, 0, 0, 1, 0}; }
AffineMatrix shear_y(const Arguments& a, int64_t, int64_t) { return {1, 0, 0, a.argument, 1, 0}; }
AffineMatrix translate_x(const Arguments& a, int64_t, int64_t width) { return {1, 0, a.argument * static_cast<double>(width), 0, 1, 0}; }
AffineMatrix translate_y(const Arguments& a, int64_t height, int64_t) { return {1, 0, 0, 0, 1, a.argument * static_cast<double>(height)}; }

template <AffineMatrix (*matrix)(const Arguments&, int64_t, int64_t)>
Frames apply_map(Frames frames, const Arguments& a) {
  const int64_t height = frames.shape().height, width = frames.shape().width;
  const Box all{0, 0, height, width};
  return affine_bicubic_window(frames, all, height, width, matrix(a, height, width), all, kBicubicFill);
}

template <AffineMatrix (*matrix)(const Arguments&, int64_t, int64_t)>
constexpr AugmentOperation map_operation(std::string_view name, double (*argument)(double, int64_t, int64_t)) {
  return {name, Draw::kSign, argument, apply_map<matrix>, Reads::kMap, matrix, AugmentOperation::Sampling::kBicubic};
}

constexpr AugmentOperation kOperations[] = {
    {"AutoContrast", Draw::kNothing, no_argument, apply_autocontrast, Reads::kPicture},
    {"Equalize", Draw::kNothing, no_argument, apply_equalize, Reads::kPicture},
    {"Invert", Draw::kNothing, no_argument, apply_invert},
    map_operation<rotation>("Rotate", scaled<30.0>),
    {"PosterizeIncreasing", Draw::kNothing, bits, apply_posterize},
    {"SolarizeIncreasing", Draw::kNothing, threshold, apply_solarize},
    {"SolarizeAdd", Draw::kNothing, addend, apply_add},
    {"ColorIncreasing", Draw::kSign, scaled<0.9>, apply_factor<adjust_color>},
    {"ContrastIncreasing", Draw::kSign, scaled<0.9>, apply_factor<adjust_contrast>, Reads::kPicture},
    {"BrightnessIncreasing", Draw::kSign, scaled<0.9>, apply_factor<adjust_brightness>},
    {"SharpnessIncreasing", Draw::kSign, scaled<0.9>, apply_factor<adjust_sharpness>, Reads::kNeighbours},
    map_operation<shear_x>("ShearX", scaled<0.3>),
    map_operation<shear_y>("ShearY", scaled<0.3>),
    map_operation<translate_x>("TranslateXRel", scaled<0.45>),
    map_operation<translate_y>("TranslateYRel", scaled<0.45>),
};

}  // namespace

std::span<const AugmentOperation> increasing_operations() { return kOperations; }

std::vector<DrawnOperation> draw_increasing(const RandAugmentConfig& config, int64_t height, int64_t width, Rng& rng) {
  std::vector<DrawnOperation> drawn;
  for (int64_t i = 0; i < config.operations; ++i) {
    const auto& operation = kOperations[rng.integer(std::size(kOperations))];
    if (!rng.coin(config.probability)) continue;
    const double level = std::clamp(config.magnitude + config.deviation * rng.normal(), 0.0, 10.0);
    OperationArguments arguments{operation.argument(level, height, width)};
    if (operation.draw == Draw::kSign && rng.coin()) arguments.argument = -arguments.argument;
    drawn.push_back({&operation, arguments});
  }
  return drawn;
}

}  // namespace liere
