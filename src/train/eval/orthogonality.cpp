#include "train/eval/orthogonality.h"

#include <algorithm>
#include <numbers>

#include "core/rng.h"
#include "core/signals.h"
#include "models/kernels/rotation_exp.h"
#include "train/eval/session.h"
#include "train/eval/text.h"

namespace liere {
namespace {

using nlohmann::json;

constexpr int64_t kPartElements = int64_t{1} << 22;  // of R at a time

json error_json(const RotationError& error, const TokenGrid& grid) {
  return {{"grid", grid.now}, {"deviation", error.deviation}, {"determinant", error.determinant}, {"non_finite", error.non_finite}, {"matrices", error.matrices}};
}

/// The trained grid, and that of the largest size to test where it is another.
std::vector<TokenGrid> grids_to_test(const VitImpl& model, const ExperimentConfig& config) {
  std::vector<TokenGrid> grids = {model.grid(config.model.input_size)};
  const auto sizes = sizes_to_test(config);
  const int64_t largest = *std::max_element(sizes.begin(), sizes.end());
  if (const auto grid = model.grid(with_side(config.model.input_size, largest)); grid != grids[0]) grids.push_back(grid);
  return grids;
}

/// Layer by layer (one entry "all" where layers share); blocks are made from the generators, so that memory stays small at any size.
json trained_errors(const TrainedModel& trained, const std::vector<TokenGrid>& grids) {
  json list = json::array();
  const auto* liere = std::get_if<LiereConfig>(&trained.config.model.position);
  torch::Tensor generators;
  for (const auto& [name, tensor] : trained.model->named_weights())
    if (name == "generators") generators = tensor.detach().to(tensor.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32);
  for (const auto& grid : grids) {
    const bool blocks = liere && liere->block_size > 2;
    const auto set = blocks ? Rotations{} : trained.model.ptr()->position().rotations(grid, /*with_gradient=*/false);
    if (!blocks && set.kind == Rotations::Kind::kNone) return list;
    const int64_t layers = blocks ? generators.size(1) : set.value.size(0);
    for (int64_t layer = 0; layer < layers; ++layer) {
      if (stop_requested()) throw Stopped{};
      const auto error = blocks ? generator_error(generators.narrow(1, layer, 1), grid, liere->positions, liere->block_size) : rotation_error(set.kind, set.value[layer]);
      auto row = error_json(error, grid);
      row["layer"] = layers == 1 && *trained.config.model.depth > 1 ? json("all") : json(layer);
      list.push_back(row);
    }
  }
  return list;
}

/// Freshly drawn generators of one layer: U[0, init), float32, for each block size that divides the head dimension.
json initial_errors(const ExperimentConfig& config, const std::vector<TokenGrid>& grids, torch::Device device) {
  json list = json::array();
  const int64_t dim = config.model.head_dim(), heads = *config.model.heads, axes = config.model.axes();
  const auto rule = position_rule(config.model.position).value_or(PositionRule::kSequential);
  for (int64_t block = 2; block <= std::min<int64_t>(64, dim); block *= 2) {
    if (dim % block != 0) continue;
    for (const double scale : {1.0, 2 * std::numbers::pi}) {
      auto generators = at::empty({axes, 1, heads, dim / block, block * (block - 1) / 2}, at::kFloat);
      fill_uniform(stream_key(named_seed(0, "generators"), Purpose::kParameter), generators.mutable_data_ptr<float>(), generators.numel(), 0, scale);
      for (const auto& grid : grids) {
        if (stop_requested()) throw Stopped{};
        auto row = error_json(generator_error(generators.to(device), grid, rule, block), grid);
        row.update({{"block_size", block}, {"init_scale", scale}});
        list.push_back(row);
      }
    }
  }
  return list;
}

std::string grid_text(const json& row) {
  std::string text;
  for (const auto& side : row.at("grid")) text += (text.empty() ? "" : "x") + std::to_string(side.get<int64_t>());
  return text;
}

std::vector<std::string> error_cells(const json& row) {
  return {small_text(number_in(row, "deviation")), small_text(number_in(row, "determinant")), std::to_string(row.at("non_finite").get<int64_t>())};
}

}  // namespace

void RotationError::add(const RotationError& other) {
  deviation = std::max(deviation, other.deviation);
  determinant = std::max(determinant, other.determinant);
  non_finite += other.non_finite;
  matrices += other.matrices;
}

RotationError rotation_error(Rotations::Kind kind, const torch::Tensor& values) {
  torch::NoGradGuard no_grad;
  RotationError error;
  const bool pairs = kind == Rotations::Kind::kPairs;
  auto x = (pairs ? values.reshape({-1, 2}) : values.reshape({-1, values.size(-1), values.size(-1)})).to(torch::kFloat64);
  error.matrices = x.size(0);
  error.non_finite = (~x.isfinite()).sum().item<int64_t>();
  if (error.non_finite > 0) x = x.index({x.flatten(1).isfinite().all(1)});
  if (x.size(0) == 0) return error;
  if (pairs) {
    error.deviation = error.determinant = (x.square().sum(1) - 1).abs().max().item<double>();  // both are c^2 + s^2 - 1
  } else {
    error.deviation = (at::matmul(x.transpose(1, 2), x) - torch::eye(x.size(2), x.options())).abs().max().item<double>();
    error.determinant = (at::linalg_det(x) - 1).abs().max().item<double>();
  }
  return error;
}

RotationError generator_error(const torch::Tensor& generators_nLHKE, const TokenGrid& grid, PositionRule rule, int64_t block) {
  const auto positions_Nn = grid_positions(grid, rule, generators_nLHKE.scalar_type()).to(generators_nLHKE.device());
  const int64_t per_token = generators_nLHKE.size(1) * generators_nLHKE.size(2) * generators_nLHKE.size(3) * block * block;
  const int64_t part = std::max<int64_t>(1, kPartElements / per_token);
  RotationError error;
  for (int64_t first = 0; first < positions_Nn.size(0); first += part) {
    const auto tokens_Nn = positions_Nn.narrow(0, first, std::min(part, positions_Nn.size(0) - first));
    error.add(rotation_error(Rotations::Kind::kBlocks, rotation_exp(generators_nLHKE, tokens_Nn, block)));
  }
  return error;
}

TestOutput orthogonality_test(EvalSession& session) {
  const auto& trained = session.trained();
  const auto grids = grids_to_test(*trained.model, trained.config);
  return {{{"trained", trained_errors(trained, grids)}, {"initial", initial_errors(trained.config, grids, trained.device)}}, {}, {}};
}

std::string describe_orthogonality(const json& result) {
  std::vector<std::vector<std::string>> trained = {{"layer", "tokens", "max |R^T R - I|", "max |det R - 1|", "non-finite"}};
  for (const auto& row : result.at("trained")) {
    auto cells = error_cells(row);
    cells.insert(cells.begin(), {row.at("layer").is_string() ? "all" : std::to_string(row.at("layer").get<int64_t>()), grid_text(row)});
    trained.push_back(cells);
  }
  std::vector<std::vector<std::string>> initial = {{"block", "start", "tokens", "max |R^T R - I|", "max |det R - 1|", "non-finite"}};
  for (const auto& row : result.at("initial")) {
    auto cells = error_cells(row);
    cells.insert(cells.begin(), {std::to_string(row.at("block_size").get<int64_t>()), number_in(row, "init_scale") == 1 ? "U[0, 1)" : "U[0, 2 pi)", grid_text(row)});
    initial.push_back(cells);
  }
  return (trained.size() == 1 ? std::string("  this encoding rotates nothing\n") : "  as trained:\n" + aligned_text(trained, 0)) +
         "  as drawn, one layer, by block size and start (fp32):\n" + aligned_text(initial, 0);
}

}  // namespace liere
