#include "models/position_encoding.h"

#include "models/initialize.h"
#include "models/position/absolute.h"
#include "models/position/liere.h"
#include "models/position/none.h"
#include "models/position/rope.h"
#include "models/position/rope_mixed.h"
#include "models/position/visionllama.h"

namespace liere {

void PositionEncoding::add_absolute_table(const BackboneShape& shape) {
  const TokenGrid grid{shape.trained_grid, shape.trained_grid};
  position_embedding_TW_ =
      register_parameter("position_embedding", at::empty({grid.tokens() + 1, shape.width}, at::dtype(at::kFloat).device(shape.device)));
}

torch::Tensor PositionEncoding::embed(const torch::Tensor& tokens_BTW, const TokenGrid& grid) const {
  return position_embedding_TW_.defined() ? tokens_BTW + interpolate_absolute_table(position_embedding_TW_, grid) : tokens_BTW;
}

void PositionEncoding::initialize(uint64_t seed) {
  if (position_embedding_TW_.defined()) initialize_normal(position_embedding_TW_, seed, "position_embedding");
}

namespace {

using Pointer = std::shared_ptr<PositionEncoding>;

Pointer make(const NoPositionConfig&, const BackboneShape&) { return std::make_shared<NoPosition>(); }
Pointer make(const AbsoluteConfig&, const BackboneShape& shape) { return std::make_shared<Absolute>(shape); }
Pointer make(const RopeConfig& c, const BackboneShape& shape) { return std::make_shared<Rope>(c, shape); }
Pointer make(const VisionLlamaConfig& c, const BackboneShape& shape) { return std::make_shared<VisionLlama>(c, shape); }
Pointer make(const RopeMixedConfig& c, const BackboneShape& shape) {
  return std::make_shared<RopeMixed>(GeneratorSettings{2, c.share, c.init_scale, c.absolute, c.positions}, shape);
}
Pointer make(const LiereConfig& c, const BackboneShape& shape) {
  const GeneratorSettings settings{c.block_size, c.share, c.init_scale, c.absolute, c.positions};
  if (c.block_size == 2) return std::make_shared<RopeMixed>(settings, shape);  // the same mathematics by sine and cosine
  return std::make_shared<Liere>(settings, shape);
}

}  // namespace

std::shared_ptr<PositionEncoding> make_position_encoding(const PositionConfig& config, const BackboneShape& shape) {
  return std::visit([&shape](const auto& c) { return make(c, shape); }, config);
}

}  // namespace liere
