// Weights of other programs: which of their tensors is which of ours, in one table per program.
//   timm       VisionTransformer of pytorch-image-models and what saves its names (DeiT, DeiT III, MAE, ...)
//   liere      the LieRE authors' released code, with or without Lightning's prefix
// Where the shapes differ, a Form says how theirs becomes ours; src/train/weights_import.cpp applies it, weights_export.cpp its inverse.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/safetensors.h"

namespace liere {

enum class WeightForm {
  kSame,
  kPatches,     // a convolution's [W, C, p1, .., pn] is our [W, p1 ... pn C]
  kToken,       // [1, 1, W] is our [W]
  kTable,       // [1, T, W] is our [T, W]; without a row for CLS that row is zero
  kGenerators,  // [n, L, H K, b, b], of which the strict upper triangle counts, is our [n, L, H, K, b (b - 1) / 2]
};

struct NameRule {
  std::string_view ours, theirs;  // "{}" is the block's number
  WeightForm form = WeightForm::kSame;
};

struct ForeignProgram {
  std::string_view name;
  std::string_view marker;  // a tensor that every file of it has
  std::vector<NameRule> rules;
};

/// timm's, then the release's.
const std::vector<ForeignProgram>& foreign_programs();
const ForeignProgram& timm_program();

struct ForeignName {
  std::string name;
  WeightForm form;
};

/// How the tensors of one file are named.
class ForeignNames {
 public:
  /// nullopt for a file with our own names, or names of neither program. A prefix before all names (model., module.) is found and kept.
  static std::optional<ForeignNames> of(const safetensors::File& file);
  ForeignNames(const ForeignProgram& program, std::string prefix) : program_(&program), prefix_(std::move(prefix)) {}

  /// Of our tensor; nullopt where the program has none.
  std::optional<ForeignName> find(std::string_view ours) const;
  std::string_view program() const { return program_->name; }

 private:
  const ForeignProgram* program_;
  std::string prefix_;
};

}  // namespace liere
