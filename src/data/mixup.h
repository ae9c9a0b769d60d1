// Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019): how the samples of a batch are mixed with each other, drawn from (seed, step) alone.
//
//   mixup:   x_i <- lambda x_i + (1 - lambda) x_j                    lambda ~ Beta(alpha, alpha), one for the batch
//   cutmix:  x_i inside a box <- x_j, lambda = 1 - area of the box / area of the picture, box side = sqrt(1 - lambda) of the picture's
//   targets: y_i <- lambda y_i + (1 - lambda) y_j
//
// Partners: slot i of the global batch goes with slot i xor 1, so that no split into ranks or micro-batches changes a pair; a slot without partner stays
// unmixed. `flip` is timm's form (row i of a forward pass with row B-1-i): it depends on the split.
#pragma once

#include <cstdint>
#include <utility>

#include "core/fields.h"

namespace liere {

enum class MixPairing { kNeighbour, kFlip };
template <> struct EnumNames<MixPairing> {
  static constexpr std::pair<MixPairing, std::string_view> values[] = {{MixPairing::kNeighbour, "neighbour"}, {MixPairing::kFlip, "flip"}};
};

struct MixupConfig {
  double alpha = 0;
  double cutmix_alpha = 0;
  double probability = 1;
  double switch_probability = 0.5;
  MixPairing pairing = MixPairing::kNeighbour;

  bool enabled() const { return (alpha > 0 || cutmix_alpha > 0) && probability > 0; }
};
template <class V> void fields(V& v, MixupConfig& c) {
  v("alpha", c.alpha, "Mixup: the mixing weight is drawn from Beta(alpha, alpha); 0 is off", between(0, 1000));
  v("cutmix_alpha", c.cutmix_alpha, "CutMix: the same for its box; 0 is off", between(0, 1000));
  v("probability", c.probability, "probability that a step is mixed at all", between(0, 1));
  v("switch_probability", c.switch_probability, "where both are on: probability of CutMix", between(0, 1));
  v("pairing", c.pairing, "neighbour: slots i and i xor 1 of the global batch, independent of micro-batches and devices; flip: rows i and B-1-i of a forward pass, as timm does, which depends on them");
}

/// Rows and columns of a box, ends excluded.
struct MixBox {
  int64_t top = 0, bottom = 0, left = 0, right = 0;
};

/// What a step does to its samples. lambda = 1: nothing.
struct Mix {
  enum class Kind { kNone, kMixup, kCutmix };
  Kind kind = Kind::kNone;
  double lambda = 1;  // weight of the sample itself; for CutMix corrected to the box that was cut
  MixBox box;
};

/// CutMix's box around a centre: sides trunc(size * sqrt(1 - lambda)), halved as integers, cut at the picture's edges (timm, and the released code).
MixBox cutmix_box(int64_t row, int64_t column, double lambda, int64_t height, int64_t width);

/// The mix of an optimiser step for pictures of height x width.
Mix draw_mix(const MixupConfig& config, uint64_t seed, int64_t step, int64_t height, int64_t width);

}  // namespace liere
