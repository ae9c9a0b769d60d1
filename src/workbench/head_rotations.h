// The rotations of one layer and head at any positions, by the kernels that training uses (kernels/skew_exp.h), and the few products with them.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "workbench/learned_encoding.h"

namespace liere::report {

/// A head's rotation: its blocks one after the other, [blocks, b, b].
class HeadRotations {
 public:
  HeadRotations(const LearnedEncoding& encoding, int64_t layer, int64_t head);
  int64_t size() const { return blocks_ * block_ * block_; }  // floats of one rotation
  int64_t block() const { return block_; }
  int64_t blocks() const { return blocks_; }

  /// [N, blocks, b, b] at positions [N, axes].
  std::vector<float> at(const double* positions, int64_t count) const;
  std::vector<float> at(const std::vector<double>& positions) const;
  /// The same in pieces that fit the memory: use(first, count, rotations).
  void for_each(const std::vector<double>& positions, const std::function<void(int64_t, int64_t, const float*)>& use) const;

 private:
  int64_t axes_, block_, blocks_;
  std::vector<float> generators_;
};

/// sum of x y: tr(X^T Y) of two rotations.
double inner_product(const float* x, const float* y, int64_t count);
/// out = x y, block by block.
void block_product(const float* x, const float* y, int64_t blocks, int64_t b, float* out);
/// max |R^T R - I| of one rotation.
double orthogonality_error(const float* r, int64_t blocks, int64_t b);
/// Whether every block has determinant above 0 (elimination with pivots).
bool preserves_orientation(const float* r, int64_t blocks, int64_t b);

/// Work over [0, count) on the machine's processors; the first exception is thrown again.
void share_out(int64_t count, const std::function<void(int64_t)>& work);

}  // namespace liere::report
