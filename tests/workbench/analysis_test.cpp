// The workbench's figures against closed forms: RoPE-Mixed's sums of cosines, a change of basis, so(3), an expectation written out.
#include "workbench/analysis.h"

#include <algorithm>
#include <cmath>

#include "made_run.h"
#include "workbench/head_rotations.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using namespace liere::report;
using liere::test::generator_run;
using liere::test::MadeRun;
using liere::test::TemporaryFolder;

namespace {

Analysis analysis_of(const MadeRun& run) {
  const TemporaryFolder folder;
  return analyse(read_encoding(run.write(folder.path() / "run")));
}

/// theta of one layer, head and pair: generators [axes, layers, heads, pairs].
double theta_of(const LearnedEncoding& e, int64_t axis, int64_t layer, int64_t head, int64_t pair) {
  return e.generators[static_cast<size_t>(((axis * e.layers() + layer) * e.heads() + head) * (e.head_dim() / 2) + pair)];
}

double closed_form(const LearnedEncoding& e, int64_t layer, int64_t head, const std::vector<int64_t>& offset) {
  double sum = 0;
  for (int64_t k = 0; k < e.head_dim() / 2; ++k) {
    double angle = 0;
    for (int64_t a = 0; a < e.axes(); ++a)
      angle += theta_of(e, a, layer, head, k) * static_cast<double>(offset[static_cast<size_t>(a)]) /
               static_cast<double>(e.grid[static_cast<size_t>(a)] - 1);
    sum += 2 * std::cos(angle);
  }
  return sum / static_cast<double>(e.head_dim());
}

/// Rows of an orthogonal b x b matrix.
std::vector<double> basis(int64_t b, uint64_t seed) {
  const auto random = MadeRun::normals(b * b, seed);
  std::vector<double> q(random.begin(), random.end());
  for (int64_t i = 0; i < b; ++i) {
    for (int repeat = 0; repeat < 2; ++repeat)
      for (int64_t j = 0; j < i; ++j) {
        double dot = 0;
        for (int64_t c = 0; c < b; ++c) dot += q[static_cast<size_t>(i * b + c)] * q[static_cast<size_t>(j * b + c)];
        for (int64_t c = 0; c < b; ++c) q[static_cast<size_t>(i * b + c)] -= dot * q[static_cast<size_t>(j * b + c)];
      }
    double square = 0;
    for (int64_t c = 0; c < b; ++c) square += std::pow(q[static_cast<size_t>(i * b + c)], 2);
    for (int64_t c = 0; c < b; ++c) q[static_cast<size_t>(i * b + c)] /= std::sqrt(square);
  }
  return q;
}

}  // namespace

TEST_CASE("workbench: rope_mixed's maps are sums of cosines of the offset alone") {
  const auto analysis = analysis_of(generator_run(2, "rope_mixed"));
  const auto& e = analysis.encoding;
  REQUIRE(analysis.heads.size() == 4);
  for (int64_t layer = 0; layer < 2; ++layer)
    for (int64_t head = 0; head < 2; ++head) {
      const auto& figures = analysis.at(layer, head);
      int64_t seen = 0, of_centre = 0;
      for (int64_t i = 0; i < analysis.window.count(); ++i) {
        const auto at = static_cast<size_t>(i);
        const double expected = closed_form(e, layer, head, analysis.window.offset(i));
        CHECK(std::abs(figures.maps.origin[at] - expected) < 1e-5);
        if (!std::isnan(figures.maps.mean[at])) {
          ++seen;
          CHECK(std::abs(figures.maps.mean[at] - expected) < 1e-5);
          CHECK(figures.maps.deviation[at] < 1e-3);  // a root of rounding errors
        }
        if (!std::isnan(figures.maps.centre[at])) {
          ++of_centre;
          CHECK(std::abs(figures.maps.centre[at] - expected) < 1e-5);
          CHECK(std::abs(figures.maps.logit_centre[at] - figures.maps.logit_origin[at]) < 1e-4 * (1 + std::abs(figures.maps.logit_origin[at])));
        }
      }
      CHECK(seen == 9 * 7);
      CHECK(of_centre == 20);
      CHECK(figures.commutator == 0);
      CHECK(figures.departure < 1e-6);
      CHECK(figures.mirrored == 0);
      REQUIRE(figures.orthogonality.size() == 3);
      for (const double error : figures.orthogonality) CHECK(error < 1e-6);
      for (int64_t a = 0; a < 2; ++a) {
        std::vector<double> sizes;
        for (int64_t k = 0; k < 4; ++k) sizes.push_back(std::abs(theta_of(e, a, layer, head, k)));
        std::sort(sizes.rbegin(), sizes.rend());
        CHECK(figures.frequencies[static_cast<size_t>(a)] == sizes);
      }
    }
}

TEST_CASE("workbench: liere in blocks of 2 is rope_mixed") {
  const auto liere = analysis_of(generator_run(2, "liere")), mixed = analysis_of(generator_run(2, "rope_mixed"));
  for (size_t i = 0; i < liere.heads.size(); ++i) {
    CHECK(liere.heads[i].maps.origin == mixed.heads[i].maps.origin);
    CHECK(liere.heads[i].frequencies == mixed.heads[i].frequencies);
  }
}

TEST_CASE("workbench: a common change of basis of 2x2 blocks leaves spectrum and maps and commutes") {
  const auto mixed_run = generator_run(2, "rope_mixed");
  const auto mixed = analysis_of(mixed_run);
  const auto& theta = mixed_run.tensors.at("generators").second;  // [2, 2, 2, 4]
  std::vector<float> generators;
  for (int64_t item = 0; item < 8; ++item) {
    const auto q = basis(8, static_cast<uint64_t>(item % 4));  // the same for both axes
    for (int64_t r = 0; r < 8; ++r)
      for (int64_t c = r + 1; c < 8; ++c) {
        double sum = 0;
        for (int64_t k = 0; k < 4; ++k)
          sum += theta[static_cast<size_t>(item * 4 + k)] * (q[static_cast<size_t>(2 * k * 8 + r)] * q[static_cast<size_t>((2 * k + 1) * 8 + c)] -
                                                             q[static_cast<size_t>((2 * k + 1) * 8 + r)] * q[static_cast<size_t>(2 * k * 8 + c)]);
        generators.push_back(static_cast<float>(sum));
      }
  }
  const auto turned = analysis_of(generator_run(8, "liere", generators));
  for (size_t i = 0; i < 4; ++i) {
    CHECK(turned.heads[i].commutator < 1e-6);
    CHECK(turned.heads[i].departure < 1e-5);
    for (size_t a = 0; a < 2; ++a) {
      CHECK(std::abs(turned.heads[i].range[a] - mixed.heads[i].range[a]) < 1e-4);
      for (size_t k = 0; k < 4; ++k) CHECK(std::abs(turned.heads[i].frequencies[a][k] - mixed.heads[i].frequencies[a][k]) < 2e-6);
    }
    for (size_t d = 0; d < mixed.heads[i].maps.origin.size(); ++d)
      CHECK(std::abs(turned.heads[i].maps.origin[d] - mixed.heads[i].maps.origin[d]) < 1e-5);
  }
}

TEST_CASE("workbench: of generators that do not commute the score depends on the place") {
  auto run = generator_run(8, "liere");
  for (float& x : run.tensors["generators"].second) x *= 2;
  const auto analysis = analysis_of(run);
  const int64_t count = analysis.window.count();
  for (const auto& figures : analysis.heads) {
    for (int64_t i = 0; i < count; ++i) {
      CHECK(std::abs(figures.maps.origin[static_cast<size_t>(i)] - figures.maps.origin[static_cast<size_t>(count - 1 - i)]) < 1e-5);  // d -> -d
      CHECK(std::abs(figures.maps.origin[static_cast<size_t>(i)]) < 1 + 1e-5);
    }
    CHECK(std::abs(figures.maps.origin[static_cast<size_t>(count / 2)] - 1) < 1e-6);
    CHECK(std::abs(figures.maps.mean[static_cast<size_t>(count / 2)] - 1) < 1e-6);
    CHECK(figures.commutator > 0.1);
    CHECK(figures.departure > 0.1);
    CHECK(figures.departure < 1.5);
    CHECK(*std::max_element(figures.maps.deviation.begin(), figures.maps.deviation.end()) > 0.05);
    CHECK(figures.mirrored == 0);
    for (const double error : figures.orthogonality) CHECK(error < 1e-5);
  }
}

TEST_CASE("workbench: the departure of two rotations is that of their matrices") {
  auto run = generator_run(8, "liere");
  run.grid = {2, 2};
  const auto analysis = analysis_of(run);
  const auto& e = analysis.encoding;
  // Tokens chosen of a 2x2 grid: (0,0) to (1,1); the mean over all ordered pairs of the four.
  for (int64_t layer = 0; layer < 2; ++layer) {
    const HeadRotations rotations(e, layer, 1);
    const auto r = [&](double x, double y) { return rotations.at(std::vector<double>{x, y}); };
    double sum = 0;
    int pairs = 0;
    for (int p = 0; p < 4; ++p)
      for (int q = 0; q < 4; ++q) {
        if (p == q) continue;
        const auto a = r(p / 2, p % 2), b = r(q / 2, q % 2), d = r(q / 2 - p / 2, q % 2 - p % 2);
        double square = 0;
        for (int i = 0; i < 8; ++i)
          for (int j = 0; j < 8; ++j) {
            double between = 0;  // R(p)^T R(q)
            for (int m = 0; m < 8; ++m) between += static_cast<double>(a[static_cast<size_t>(m * 8 + i)]) * b[static_cast<size_t>(m * 8 + j)];
            square += std::pow(between - d[static_cast<size_t>(i * 8 + j)], 2);
          }
        sum += std::sqrt(square / 16);
        ++pairs;
      }
    CHECK(std::abs(analysis.at(layer, 1).departure - sum / pairs) < 1e-5);
  }
}

TEST_CASE("workbench: the logits are the expectation over contents written out") {
  auto run = generator_run(4, "liere");
  run.extra = "  qkv_bias: true\n";
  for (int64_t i = 0; i < run.depth; ++i) run.put("block." + std::to_string(i) + ".attention.qkv.bias", {3 * run.width()});
  const auto analysis = analysis_of(run);
  const auto& e = analysis.encoding;
  const int64_t layer = 1, head = 1, width = run.width(), d = run.head_dim;
  const Projection& p = e.projections[layer];
  const HeadRotations rotations(e, layer, head);
  const auto tokens = token_positions(e, e.grid);
  const int64_t centre = 2 * 4 + 2, other = 1 * 4 + 3;
  const auto r = rotations.at(std::vector<double>{tokens[2 * centre], tokens[2 * centre + 1], tokens[2 * other], tokens[2 * other + 1]});
  const auto turned = [&](const std::vector<double>& x, int64_t token) {
    std::vector<double> y(x.size());
    for (int64_t k = 0; k < d / 4; ++k)
      for (int64_t i = 0; i < 4; ++i)
        for (int64_t j = 0; j < 4; ++j)
          y[static_cast<size_t>(4 * k + i)] += r[static_cast<size_t>(((token * (d / 4) + k) * 4 + i) * 4 + j)] * x[static_cast<size_t>(4 * k + j)];
    return y;
  };
  // Normalised contents with the same first two moments as isotropic ones: +- c (e_m - 1 / W), c^2 = W^2 / (W - 1).
  const double n = static_cast<double>(width), c = n / std::sqrt(n - 1);
  double sum = 0;
  for (int64_t m = 0; m < width; ++m)
    for (const double sign : {-1.0, 1.0}) {
      std::vector<double> q(static_cast<size_t>(d)), k(q);
      for (int64_t of_keys = 0; of_keys < 2; ++of_keys)
        for (int64_t i = 0; i < d; ++i) {
          const int64_t row = of_keys * width + head * d + i;
          double value = p.bias[static_cast<size_t>(row)];
          for (int64_t w = 0; w < width; ++w) {
            const double u = sign * c * ((w == m) - 1 / n) * p.scale[static_cast<size_t>(w)] + p.shift[static_cast<size_t>(w)];
            value += p.qk[static_cast<size_t>(row * width + w)] * u;
          }
          (of_keys ? k : q)[static_cast<size_t>(i)] = value;
        }
      const auto q_turned = turned(q, 0), k_turned = turned(k, 1);
      for (size_t i = 0; i < q_turned.size(); ++i) sum += q_turned[i] * k_turned[i];
    }
  const double expected = sum / (2 * n) / std::sqrt(static_cast<double>(d));
  const double found = analysis.at(layer, head).maps.logit_centre[static_cast<size_t>(analysis.window.index({-1, 1}))];
  CHECK(std::abs(found - expected) < 1e-4 * std::abs(expected) + 1e-4);
  CHECK(std::abs(expected) > 0.1);
}

TEST_CASE("workbench: commutators of so(3)") {
  // [L_x, L_y] = L_z, all of norm sqrt 2. Upper triangles: (0,1), (0,2), (1,2).
  CHECK(commutator_norm({0, 0, -1, 0, 1, 0}, 2, 1, 3) == Approx(std::sqrt(0.5)));
  CHECK(commutator_norm({0, 0, -1, 0, 0, 5}, 2, 1, 3) == 0);
  CHECK(commutator_norm({0, 0, -1, 0, 1, 0, 2, 0, 0}, 3, 1, 3) == Approx(std::sqrt(0.5)));
  CHECK(std::isnan(commutator_norm({0, 0, -1}, 1, 1, 3)));
}

TEST_CASE("workbench: the range of one frequency is a third of pi") {
  const double third = std::acos(-1.0) / 3;
  CHECK(steps_to_half({4}, 2, 0.25, 100) == Approx(third));
  CHECK(steps_to_half({400}, 2, 0.25, 100) == Approx(third / 100));
  CHECK(std::isinf(steps_to_half({1e-3}, 2, 0.25, 100)));
  CHECK(std::isinf(steps_to_half({4}, 16, 0.25, 400)));  // 14 of 16 channels stand still: never below 3/4
  CHECK(steps_to_half({4}, 3, 1, 100) == Approx(std::acos(0.25) / 4));
}

TEST_CASE("workbench: three axes and one") {
  for (const std::vector<int64_t>& grid : {std::vector<int64_t>{3, 2, 4}, std::vector<int64_t>{9}}) {
    MadeRun run;
    run.grid = grid;
    run.position = "{kind: rope_mixed}";
    run.put_blocks();
    run.put("generators", {static_cast<int64_t>(grid.size()), 2, 2, 4, 1}, {}, 50);
    const auto analysis = analysis_of(run);
    const auto& e = analysis.encoding;
    for (int64_t i = 0; i < analysis.window.count(); ++i) {
      CHECK(analysis.window.index(analysis.window.offset(i)) == i);
      CHECK(std::abs(analysis.at(1, 0).maps.mean[static_cast<size_t>(i)] - closed_form(e, 1, 0, analysis.window.offset(i))) < 1e-5);
    }
    CHECK(analysis.at(1, 0).departure < 1e-6);
    CHECK((grid.size() == 1 ? std::isnan(analysis.at(0, 0).commutator) : analysis.at(0, 0).commutator == 0));
  }
}

TEST_CASE("workbench: an absolute table gives cosines and no rotations") {
  MadeRun run;
  run.grid = {1, 3};
  run.position = "{kind: absolute}";
  run.put_blocks();
  std::vector<float> table(static_cast<size_t>(4 * run.width()));
  table[0] = 9;                  // CLS: takes no part
  table[16] = 2;                 // token 0: along the first channel
  table[32] = 3, table[33] = 3;  // token 1: between
  table[49] = -1;                // token 2: against the second
  run.put("position_embedding", {4, run.width()}, table);
  const auto analysis = analysis_of(run);
  CHECK(analysis.heads.empty());
  const float h = std::sqrt(0.5f);
  const std::vector<float> expected = {1, h, 0, h, 1, -h, 0, -h, 1};
  REQUIRE(analysis.similarity.size() == 9);
  for (size_t i = 0; i < 9; ++i) CHECK(std::abs(analysis.similarity[i] - expected[i]) < 1e-6f);
}
