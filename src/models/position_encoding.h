// What a position encoding is to the rest of the program. One file per encoding in position/; make_position_encoding chooses by configuration.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <memory>

#include "models/position_config.h"
#include "models/rotation.h"
#include "models/token_grid.h"

namespace liere {

/// The sizes that an encoding needs of its model.
struct BackboneShape {
  int64_t depth, heads, head_dim, width;
  std::vector<int64_t> trained_grid;   // tokens per axis at the training size
  torch::Device device = torch::kCPU;  // where the parameters are made; kMeta for a dry run
};

class PositionEncoding : public torch::nn::Module {
 public:
  /// tokens [B, T, width], CLS first -> the same shape; adds the learned absolute table (interpolated to the grid) where there is one.
  virtual torch::Tensor embed(const torch::Tensor& tokens_BTW, const TokenGrid& grid) const;

  /// Draws the initial values from named_seed(seed, name): position_embedding N(0, 1), generators U[0, init_scale).
  virtual void initialize(uint64_t seed);

  /// Rotations of every layer for a grid, without autograd. `with_gradient` allocates the zeroed accumulator (training).
  /// Called once per optimiser step by the Trainer, once per evaluation and grid by the Evaluator.
  virtual Rotations rotations(const TokenGrid& grid, bool with_gradient) const { return {}; }

  /// After the last micro-batch: turns what the backward passes added to `set.gradient` into .grad of the learned parameters (added to an existing
  /// .grad). `grid` is the one `rotations` was called with.
  virtual void accumulate_gradients(const Rotations& set, const TokenGrid& grid) {}

  /// Learned parameters of the encoding that rotate (what the paper's table of LieRE parameters counts).
  virtual int64_t rotation_parameters() const { return 0; }
  /// Side b of the learned rotation blocks, 2 for learned pairs, 0 where nothing learned turns: what the paper counts for turning q and k, and how much
  /// memory a set takes.
  virtual int64_t learned_block() const { return 0; }

  /// Overrides the rule of positions, for the resolution test.
  virtual void set_position_rule(PositionRule rule) {}
  /// How rotations are made and applied from now on; the default is kKernels.
  void set_rotation_path(RotationPath path) { path_ = path; }

 protected:
  /// Adds the parameter position_embedding [T, width] (position/absolute.h).
  void add_absolute_table(const BackboneShape& shape);
  RotationPath path() const { return path_; }

 private:
  RotationPath path_ = RotationPath::kKernels;
  torch::Tensor position_embedding_TW_;  // undefined without a table
};

/// Makes the encoding of a model of these sizes.
using EncodingFactory = std::function<std::shared_ptr<PositionEncoding>(const BackboneShape&)>;

/// Builds the encoding named by the configuration; its parameters hold nothing until initialize() or a checkpoint fills them.
std::shared_ptr<PositionEncoding> make_position_encoding(const PositionConfig& config, const BackboneShape& shape);

}  // namespace liere
