#include "models/patch_embed.h"

namespace liere {

torch::Tensor patchify(const torch::Tensor& input, const std::vector<int64_t>& patch) {
  const int64_t axes = static_cast<int64_t>(patch.size());
  std::vector<int64_t> split = {input.size(0), input.size(1)}, tokens_first = {0}, inside;
  int64_t tokens = 1;
  for (int64_t axis = 0; axis < axes; ++axis) {
    const int64_t count = input.size(2 + axis) / patch[axis];
    split.insert(split.end(), {count, patch[axis]});
    tokens_first.push_back(2 + 2 * axis);
    inside.push_back(3 + 2 * axis);
    tokens *= count;
  }
  tokens_first.insert(tokens_first.end(), inside.begin(), inside.end());
  tokens_first.push_back(1);
  return input.reshape(split).permute(tokens_first).reshape({input.size(0), tokens, -1});
}

}  // namespace liere
