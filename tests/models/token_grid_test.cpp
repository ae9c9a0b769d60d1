// Positions of tokens: the rules, and what a field of view means.
#include <torch/torch.h>

#include "core/check.h"
#include "models/vit.h"
#include "support/catch.h"

using namespace liere;

TEST_CASE("positions: rules, one token, and the axes' order") {
  const TokenGrid grid{{3, 2}, {3, 4}};
  const auto sequential = grid_positions(grid, PositionRule::kSequential, torch::kDouble);
  CHECK(torch::equal(sequential, torch::tensor({0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.5, 0.5, 1.0, 0.0, 1.0, 0.5}, torch::kDouble).view({6, 2})));
  CHECK(grid_positions({{28, 28}, {14, 14}}, PositionRule::kFixed, torch::kDouble).max().item<double>() == 1);
  CHECK(grid_positions({{28, 28}, {14, 14}}, PositionRule::kIndex, torch::kDouble).max().item<double>() == 27);
  CHECK(grid_positions({{1, 1}, {14, 14}}, PositionRule::kSequential, torch::kDouble).abs().max().item<double>() == 0);
}

TEST_CASE("physical positions are the tokens' centres in the field of view, at any number of tokens") {
  VitConfig config;
  config.preset = Preset::kCustom;
  config.input_size = {8, 12};
  config.patch = {4, 4};
  config.width = 32;
  config.depth = 1;
  config.heads = 2;
  config.mlp = 48;
  config.position = LiereConfig{.block_size = 4, .positions = PositionRule::kPhysical};
  CHECK_THROWS_AS(config.resolve(), ConfigError);
  config.field_of_view = {110, 220};
  config.resolve();
  Vit model(config, 3);
  auto twice = config.input_size;
  for (int64_t& side : twice) side *= 2;
  for (const auto& size : {config.input_size, twice}) {
    const auto grid = model->grid(size);
    const auto positions_Nn = grid_positions(grid, PositionRule::kPhysical, torch::kDouble);
    CHECK(positions_Nn[0][0].item<double>() == Approx(0.5 / grid.now[0] * 0.5));
    CHECK(positions_Nn[-1][0].item<double>() == Approx((1 - 0.5 / grid.now[0]) * 0.5));
    CHECK(positions_Nn[-1][1].item<double>() == Approx(1 - 0.5 / grid.now[1]));
  }
  config.reference_extent = 440;
  CHECK(Vit(config, 3)->grid(config.input_size).extent == std::vector<double>{0.25, 0.5});
  config.field_of_view = {110};
  CHECK_THROWS_AS(config.resolve(), ConfigError);
}
