// RandAugment (Cubuk et al. 2020): n operations drawn with replacement, each of one common magnitude. Three definitions, each a table of operations:
//   released     the 16 operations of the LieRE paper's code (magnitude m of 30: value = m/30 (max - min) + min)
//   torchvision  the 14 operations of torchvision.transforms.RandAugment (bin m of 0..30, nearest sampling, fill 0)
//   increasing   the 15 operations of timm's rand-mM-nN-mstdS-inc1, which the paper's code uses on clips: each applied with a probability, at a
//                magnitude of its own, N(m, S^2) cut to 0..10; bicubic sampling, fill (128, 128, 128)
// Drawing and applying are separate, so that everything random is known before a picture is decoded.
#pragma once

#include <span>
#include <string_view>

#include "core/rng.h"
#include "data/config.h"
#include "data/sample.h"
#include "data/transforms/geometry.h"

namespace liere {

/// What an operation is applied with. `argument` is in the operation's own unit (degrees, pixels, bits, factor), its sign drawn.
struct OperationArguments {
  double argument = 0;
  double centre_x = 0, centre_y = 0;  // of CutoutAbs, in pixels
};

struct AugmentOperation {
  enum class Draw { kNothing, kSign, kCentre };
  std::string_view name;
  Draw draw;
  /// Magnitude and picture size -> argument before the sign.
  double (*argument)(double magnitude, int64_t height, int64_t width);
  Frames (*apply)(Frames frames, const OperationArguments& arguments);
  /// What an output pixel depends on: the pixel there, its neighbours, all pixels, where an affine map sends it, or its place.
  enum class Reads { kPixel, kNeighbours, kPicture, kMap, kPlace } reads = Reads::kPixel;
  /// Of kMap.
  AffineMatrix (*matrix)(const OperationArguments& arguments, int64_t height, int64_t width) = nullptr;
  enum class Sampling { kNearest, kBicubic } sampling = Sampling::kNearest;  // of kMap; the fill colour is black or kBicubicFill
};

/// The table of a definition, in the order drawn from; empty for `none`.
std::span<const AugmentOperation> rand_augment_operations(RandAugmentKind kind);

/// Throws ConfigError for a torchvision magnitude that is not a whole bin, an increasing one above 10, and a deviation or probability that the
/// definition does not have.
void require_valid(const RandAugmentConfig& config);

struct DrawnOperation {
  const AugmentOperation* operation = nullptr;
  OperationArguments arguments;
};

/// Draws the operations for a picture of this size. Order of the draws, per operation: which one (integer); then, where it has one, the sign
/// (coin, true = negative) or the centre (two uniforms u, x before y: centre = size + (1 - size) u, in (1, size] as released).
/// Of `increasing`, per operation: which one (integer), whether it is applied (coin of the probability), the normal of its magnitude, and where it has
/// one the sign (coin); one that is not applied draws nothing more and is left out of the result.
/// `config` is valid (require_valid).
std::vector<DrawnOperation> draw_rand_augment(const RandAugmentConfig& config, int64_t height, int64_t width, Rng& rng);

/// Applies them in order, the same to every frame. RGB only.
Frames apply_operations(Frames frames, std::span<const DrawnOperation> operations);

/// The part of a picture of height x width that the box `window` of its augmented form reads: all of it where an operation needs every pixel (the
/// histogram, the mean).
Box operations_source_box(std::span<const DrawnOperation> operations, int64_t height, int64_t width, const Box& window);
/// The box `window` of apply_operations of a picture of height x width, of which `frames` holds the box `source` (which contains
/// operations_source_box).
Frames apply_operations_in_window(Frames frames, const Box& source, int64_t height, int64_t width, std::span<const DrawnOperation> operations,
                                  const Box& window);

}  // namespace liere
