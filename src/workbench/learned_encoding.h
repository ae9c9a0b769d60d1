// A trained position encoding as its checkpoint holds it: what the configuration says, the generators of its rotations, the table it adds, and the
// weights that make queries and keys. Every encoding that turns is brought to one form, R(p) = exp(sum_a p_a A_a) with skew-symmetric blocks A_a:
//   liere, rope_mixed   the learned generators (rope_mixed: b = 2)
//   visionllama, rope   b = 2 and fixed entries -f: these turn in the opposite sense; of rope one unit along an axis is that axis' stride in raster
//   order
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "models/config.h"

namespace liere::report {

/// How a layer makes queries and keys of a token x: W (LayerNorm(x) * scale + shift) + bias.
struct Projection {
  std::vector<float> scale, shift;  // [W]
  std::vector<float> qk;            // [2 W, W]: rows of the queries, then of the keys
  std::vector<float> bias;          // [2 W], zeros where there is none
};

struct LearnedEncoding {
  std::filesystem::path file;
  std::string name, label, kind;  // "liere_8_seed0", "LieRE_8" (told apart where labels are equal), "liere"
  int64_t step = 0;
  VitConfig model;            // resolved
  std::vector<int64_t> grid;  // tokens per axis at the training size
  PositionRule rule = PositionRule::kSequential;

  // Of the rotations; block = 0: none.
  int64_t block = 0, stored_layers = 1, stored_heads = 1;  // 1: shared by all (or fixed)
  std::vector<double> generators;                          // [axes, stored_layers, stored_heads, blocks, b (b - 1) / 2]
  std::vector<double> start;                               // the same before training, to the bit; empty: fixed, or begun from other weights
  bool learned = false;

  std::vector<float> table;             // [1 + tokens, W], row 0 the CLS token's; empty: none
  std::vector<Projection> projections;  // one per layer

  int64_t axes() const { return static_cast<int64_t>(grid.size()); }
  int64_t layers() const { return *model.depth; }
  int64_t heads() const { return *model.heads; }
  int64_t head_dim() const { return model.head_dim(); }
  bool turns() const { return block > 0; }
  int64_t blocks() const { return head_dim() / block; }
  int64_t entries() const { return block * (block - 1) / 2; }
  int64_t tokens() const;
};

/// The generators of one layer and head, [axes, blocks, b (b - 1) / 2], from generators or start.
std::vector<double> generators_of(const LearnedEncoding& encoding, const std::vector<double>& all, int64_t layer, int64_t head);

/// Positions of `now` tokens per axis, [N, axes], last axis fastest.
std::vector<double> token_positions(const LearnedEncoding& encoding, const std::vector<int64_t>& now);

/// One step of the grid along an axis, in units of the positions; 1 where the axis has one token.
double token_step(const LearnedEncoding& encoding, int64_t axis);

/// A run folder (its newest checkpoint that is whole) or a checkpoint's file. Throws CheckpointError naming the file: nothing there, damaged, another
/// format, or tensors that do not fit its configuration.
LearnedEncoding read_encoding(const std::filesystem::path& run);

/// All of them, with labels that tell them apart. A path given twice is a ConfigError.
std::vector<LearnedEncoding> read_encodings(const std::vector<std::filesystem::path>& runs);

}  // namespace liere::report
