// The golden numbers as tensors, and the comparison with them: one line a file with the largest error and its share of the tolerance.
#pragma once

#include <torch/torch.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/vit.h"

namespace liere::test {

/// One safetensors file of the golden folder, read whole. F16 and F32 entries are exact values: tensor() gives them in any float type.
class Golden {
 public:
  /// Prints "skipped: ..." and returns nothing when the file is absent.
  static std::optional<Golden> open(const std::string& name);
  bool contains(const std::string& name) const { return tensors_.count(name) != 0; }
  /// Throws when absent. Integers keep their type.
  torch::Tensor tensor(const std::string& name, torch::Dtype dtype = torch::kDouble) const;
  const std::string& metadata(const std::string& key) const;
  int64_t number(const std::string& key) const { return std::stoll(metadata(key)); }
  /// "16x16" -> {16, 16}.
  std::vector<int64_t> sizes(const std::string& key) const;
  /// Names that start with `prefix`, without it.
  std::vector<std::string> names(const std::string& prefix) const;

 private:
  std::map<std::string, torch::Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// "4x14x14" -> {4, 14, 14}.
std::vector<int64_t> parse_sizes(const std::string& text);

/// Collects comparisons of one file in one precision; each is an assertion, and finish() prints the worst.
class Parity {
 public:
  Parity(std::string file, torch::Dtype dtype) : file_(std::move(file)), dtype_(dtype) {}
  ~Parity();
  torch::Dtype dtype() const { return dtype_; }
  bool exact() const { return dtype_ == torch::kDouble; }
  /// max |actual - expected| <= (float64) 1e-9 max |expected|, (float32) `float_tolerance`.
  void near(const std::string& what, const torch::Tensor& actual, const torch::Tensor& expected, double float_tolerance);
  /// Frobenius norm of the difference <= 1e-4 `norm` (float32); float64 as near().
  void gradient(const std::string& what, const torch::Tensor& actual, const torch::Tensor& expected, double norm);
  /// max |actual - expected| <= tolerance in both precisions.
  void within(const std::string& what, const torch::Tensor& actual, const torch::Tensor& expected, double tolerance);

 private:
  void record(const std::string& what, double error, double tolerance);
  std::string file_;
  torch::Dtype dtype_;
  double worst_error_ = 0, worst_share_ = 0;
  std::string worst_what_ = "nothing compared";
  int count_ = 0;
};

/// R as matrices [L, N, H, K, b, b], from either kind.
torch::Tensor rotation_matrices(const Rotations& rotations);

/// The model of a common_2d / common_3d file with an encoding, its weights loaded; generators and position_embedding are left to the caller.
Vit golden_model(const Golden& common, const PositionConfig& position, torch::Dtype dtype, Pool pool = Pool::kCls);
/// Copies `value` into the weight called `name`.
void set_weight(Vit& model, const std::string& name, const torch::Tensor& value);
std::map<std::string, torch::Tensor> weights_of(Vit& model);

}  // namespace liere::test
