// Attention maps and gradients as liere-eval tells them: figures with known answers, and what must hold between rows.
#include "support/catch.h"
#include "train/eval/attention_maps.h"

#include <cmath>

using namespace liere;

TEST_CASE("attention that is even has spread 1, on one patch 0, whatever the CLS token keeps", "[eval]") {
  const int64_t heads = 3, patches = 16;
  auto even = torch::full({1, heads, patches + 1}, 0.5 / patches, torch::kFloat64);
  even.select(2, 0).fill_(0.5);
  const auto of_even = attention_figures(even);
  CHECK(of_even.cls_B[0].item<double>() == Approx(0.5));
  CHECK(of_even.entropy_B[0].item<double>() == Approx(1));
  CHECK(of_even.patches_BN.sizes() == torch::IntArrayRef({1, patches}));

  auto one = torch::zeros({1, heads, patches + 1}, torch::kFloat64);
  one.select(2, 0).fill_(0.25);
  one.select(2, 6).fill_(0.75);
  const auto of_one = attention_figures(one);
  CHECK(of_one.entropy_B[0].item<double>() == Approx(0).margin(1e-12));
  CHECK(of_one.patches_BN[0][5].item<double>() == Approx(0.75));

  // The mean over heads comes first: two heads on a patch each spread over two.
  auto two = torch::zeros({1, 2, patches + 1}, torch::kFloat64);
  two[0][0][1] = 1;
  two[0][1][2] = 1;
  CHECK(attention_figures(two).entropy_B[0].item<double>() == Approx(std::log(2.0) / std::log(16.0)));
}

TEST_CASE("an attention map is scaled to its own range and drawn patch by patch", "[eval]") {
  const auto picture = attention_picture(torch::tensor({0.1, 0.2, 0.3, 0.5, 0.4, 0.1}, torch::kFloat64), 2, 3, 4, 2);
  CHECK(picture.shape() == FrameShape{1, 8, 6, 3});
  const auto at = [&](int64_t y, int64_t x) { return std::vector<int>(picture.u8() + 3 * (y * 6 + x), picture.u8() + 3 * (y * 6 + x) + 3); };
  CHECK(at(0, 0) == std::vector<int>{68, 1, 84});      // the least
  CHECK(at(3, 1) == at(0, 0));                         // the whole patch
  CHECK(at(4, 0) == std::vector<int>{253, 231, 37});   // the most
  CHECK(at(0, 4) == std::vector<int>{33, 144, 141});   // half-way
  CHECK(at(7, 5) == at(0, 0));
  CHECK_NOTHROW(attention_picture(torch::full({4}, 0.25), 2, 2, 1, 1));  // without range
}
