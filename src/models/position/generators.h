// What rope_mixed and liere share: learned generators [axes, L, H, K, b (b - 1) / 2] (L = 1 or H = 1 where shared) and the rule that makes positions.
// Only the strict upper triangle of each skew-symmetric block is stored, row by row.
#pragma once

#include "models/position_encoding.h"

namespace liere {

struct GeneratorSettings {
  int64_t block_size;
  Share share;
  double init_scale;
  bool absolute;
  PositionRule positions;
};

class GeneratorEncoding : public PositionEncoding {
 public:
  void initialize(uint64_t seed) override;
  int64_t rotation_parameters() const override { return generators_nLHKE_.numel(); }
  int64_t learned_block() const override { return block_size_; }
  void set_position_rule(PositionRule rule) override { rule_ = rule; }
  /// Made anew only where the generators, the grid, the rule or the path are not those of the last call (on a GPU always: comparing would wait for
  /// it).
  Rotations rotations(const TokenGrid& grid, bool with_gradient) const override;
  /// Calls gradient_of and adds its result to the generators' .grad.
  void accumulate_gradients(const Rotations& set, const TokenGrid& grid) override;

 protected:
  GeneratorEncoding(const GeneratorSettings& settings, const BackboneShape& shape);
  /// Rotations without gradient from generators() and positions.
  virtual Rotations make_rotations(const torch::Tensor& generators_nLHKE, const torch::Tensor& positions_Nn) const = 0;
  /// dL/dgenerators from the accumulated set.gradient.
  virtual torch::Tensor gradient_of(const Rotations& set, const torch::Tensor& positions_Nn) const = 0;

  /// The generators in the arithmetic of rotations: float64 if they are float64, else float32.
  torch::Tensor generators() const;
  /// Positions [N, axes] beside generators(); the last grid's are kept.
  torch::Tensor positions(const TokenGrid& grid) const;
  /// The rays of the last positions() on a GPU; undefined on the CPU.
  const torch::Tensor& ray_table() const { return cached_rays_; }

 private:
  torch::Tensor generators_nLHKE_;
  int64_t block_size_;
  double init_scale_;
  PositionRule rule_;
  mutable TokenGrid cached_grid_;
  mutable PositionRule cached_rule_{};
  mutable torch::Tensor cached_positions_Nn_, cached_rays_;
  // The last set, and what it was made from.
  mutable Rotations made_;
  mutable torch::Tensor made_from_nLHKE_, made_at_Nn_;
};

}  // namespace liere
