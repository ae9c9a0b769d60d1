#include "report/workbench/analysis.h"

#include <algorithm>
#include <cmath>

#include "models/kernels/skew_frequencies.h"
#include "report/workbench/head_rotations.h"

namespace liere::report {
namespace {

constexpr float kNone = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kTokensOfMean = 64;
constexpr double kOrthogonalityWork = 3e10;  // multiply-adds

int64_t product_of(const std::vector<int64_t>& sides) {
  int64_t product = 1;
  for (const int64_t side : sides) product *= side;
  return product;
}

std::vector<int64_t> indices_of(int64_t token, const std::vector<int64_t>& grid) {
  std::vector<int64_t> out(grid.size());
  for (size_t a = grid.size(); a-- > 0; token /= grid[a]) out[a] = token % grid[a];
  return out;
}

int64_t token_of(const std::vector<int64_t>& indices, const std::vector<int64_t>& grid) {
  int64_t token = 0;
  for (size_t a = 0; a < grid.size(); ++a) token = token * grid[a] + indices[a];
  return token;
}

std::vector<int64_t> offset_between(const std::vector<int64_t>& from, const std::vector<int64_t>& to) {
  std::vector<int64_t> out(from.size());
  for (size_t a = 0; a < from.size(); ++a) out[a] = to[a] - from[a];
  return out;
}

/// What all heads share: where rotations are wanted.
struct Places {
  explicit Places(const Analysis& analysis) : tokens(token_positions(analysis.encoding, analysis.encoding.grid)) {
    const auto& e = analysis.encoding;
    const int64_t axes = e.axes(), count = e.tokens();
    for (int64_t i = 0; i < analysis.window.count(); ++i) append(e, analysis.window.offset(i), offsets);
    std::vector<int64_t> middle;
    for (const int64_t m : e.grid) middle.push_back(m / 2);
    centre = token_of(middle, e.grid);
    const int64_t means = std::min(count, kTokensOfMean);
    for (int64_t k = 0; k < means; ++k) mean_tokens.push_back(k * count / means);
    for (const int64_t t : mean_tokens)
      mean_positions.insert(mean_positions.end(), &tokens[static_cast<size_t>(t * axes)], &tokens[static_cast<size_t>(t * axes)] + axes);
    choose_pairs(e);
    for (size_t s = 1; s < analysis.sizes.size(); ++s) larger.push_back(token_positions(e, analysis.sizes[s]));
  }

  std::vector<double> tokens, offsets, mean_positions;
  int64_t centre = 0;
  std::vector<int64_t> mean_tokens;
  std::vector<double> pair_tokens, pair_offsets;  // positions of the tokens, and of the offset of each ordered pair
  std::vector<std::pair<int64_t, int64_t>> pairs;
  std::vector<std::vector<double>> larger;

 private:
  static void append(const LearnedEncoding& e, const std::vector<int64_t>& offset, std::vector<double>& to) {
    for (size_t a = 0; a < offset.size(); ++a) to.push_back(static_cast<double>(offset[a]) * token_step(e, static_cast<int64_t>(a)));
  }

  /// Ordered pairs of tokens that stand 8 (one axis), 4 (two) or 2 (three) to an axis, evenly from its far end; the first token is none of them.
  void choose_pairs(const LearnedEncoding& e) {
    const int64_t per_axis = int64_t(16) >> e.axes();
    std::vector<int64_t> chosen, counts(e.grid.size(), per_axis);
    for (int64_t i = 0; i < product_of(counts); ++i) {
      auto at = indices_of(i, counts);
      for (size_t a = 0; a < at.size(); ++a) at[a] = (at[a] + 1) * (e.grid[a] - 1) / per_axis;
      const int64_t token = token_of(at, e.grid);
      if (std::find(chosen.begin(), chosen.end(), token) == chosen.end()) chosen.push_back(token);
    }
    const int64_t axes = e.axes();
    for (const int64_t t : chosen)
      pair_tokens.insert(pair_tokens.end(), &tokens[static_cast<size_t>(t * axes)], &tokens[static_cast<size_t>(t * axes)] + axes);
    for (size_t i = 0; i < chosen.size(); ++i)
      for (size_t j = 0; j < chosen.size(); ++j) {
        if (i == j) continue;
        pairs.emplace_back(i, j);
        append(e, offset_between(indices_of(chosen[i], e.grid), indices_of(chosen[j], e.grid)), pair_offsets);
      }
  }
};

/// Blocks of a head in float: what of a token's rotation enters score and logit.
struct HeadWork {
  const Analysis& analysis;
  const Places& places;
  HeadRotations rotations;
  int64_t layer, head;
  HeadFigures& out;

  const LearnedEncoding& encoding() const { return analysis.encoding; }
  double dimension() const { return static_cast<double>(encoding().head_dim()); }
  /// Channels that no block covers add a score of 1 each; there are none but with visionllama, whose blocks of angle 0 stand for them.
  double score(const float* x, const float* y) const { return inner_product(x, y, rotations.size()) / dimension(); }

  void maps_from_origin(const std::vector<float>& moments) {
    const int64_t size = rotations.size(), b = rotations.block();
    rotations.for_each(places.offsets, [&](int64_t first, int64_t count, const float* r) {
      for (int64_t i = 0; i < count; ++i, r += size) {
        double trace = 0;
        for (int64_t k = 0; k < rotations.blocks(); ++k)
          for (int64_t c = 0; c < b; ++c) trace += r[k * b * b + c * b + c];
        out.maps.origin[static_cast<size_t>(first + i)] = static_cast<float>(trace / dimension());
        out.maps.logit_origin[static_cast<size_t>(first + i)] = static_cast<float>(inner_product(r, moments.data(), size) / std::sqrt(dimension()));
      }
    });
  }

  void maps_over_tokens(const std::vector<float>& moments) {
    const auto& grid = encoding().grid;
    const auto window = static_cast<size_t>(analysis.window.count());
    const int64_t size = rotations.size(), axes = encoding().axes();
    const auto means = rotations.at(places.mean_positions), middle = rotations.at(&places.tokens[static_cast<size_t>(places.centre * axes)], 1);
    std::vector<float> turned(static_cast<size_t>(size));
    block_product(middle.data(), moments.data(), rotations.blocks(), rotations.block(), turned.data());
    std::vector<double> sum(window), squares(window), count_at(window);
    const auto centre = indices_of(places.centre, grid);
    double worst = 0;
    rotations.for_each(places.tokens, [&](int64_t first, int64_t count, const float* r) {
      for (int64_t i = 0; i < count; ++i, r += size) {
        const auto here = indices_of(first + i, grid);
        const auto from_centre = static_cast<size_t>(analysis.window.index(offset_between(centre, here)));
        out.maps.centre[from_centre] = static_cast<float>(score(middle.data(), r));
        out.maps.logit_centre[from_centre] = static_cast<float>(inner_product(r, turned.data(), size) / std::sqrt(dimension()));
        for (size_t p = 0; p < places.mean_tokens.size(); ++p) {
          const auto at = static_cast<size_t>(analysis.window.index(offset_between(indices_of(places.mean_tokens[p], grid), here)));
          const double s = score(&means[p * static_cast<size_t>(size)], r);
          sum[at] += s;
          squares[at] += s * s;
          ++count_at[at];
        }
        const double error = orthogonality_error(r, rotations.blocks(), rotations.block());
        worst = std::isnan(error) ? error : std::max(worst, error);
        out.mirrored += !preserves_orientation(r, rotations.blocks(), rotations.block());
      }
    });
    out.orthogonality.push_back(worst);
    for (size_t i = 0; i < window; ++i) {
      if (count_at[i] == 0) continue;
      const double mean = sum[i] / count_at[i];
      out.maps.mean[i] = static_cast<float>(mean);
      out.maps.deviation[i] = static_cast<float>(std::sqrt(std::max(0.0, squares[i] / count_at[i] - mean * mean)));
    }
  }

  void departure() {
    const int64_t size = rotations.size();
    const auto tokens = rotations.at(places.pair_tokens);
    std::vector<float> moved(static_cast<size_t>(size));
    double sum = 0;
    rotations.for_each(places.pair_offsets, [&](int64_t first, int64_t count, const float* r) {
      for (int64_t i = 0; i < count; ++i, r += size) {
        const auto [p, q] = places.pairs[static_cast<size_t>(first + i)];
        block_product(&tokens[static_cast<size_t>(p * size)], r, rotations.blocks(), rotations.block(), moved.data());
        double square = 0;
        for (int64_t e = 0; e < size; ++e) {
          const double difference = moved[static_cast<size_t>(e)] - tokens[static_cast<size_t>(q * size + e)];
          square += difference * difference;
        }
        sum += std::sqrt(square / (2 * dimension()));
      }
    });
    out.departure = places.pairs.empty() ? 0 : sum / static_cast<double>(places.pairs.size());
  }

  void larger_sizes() {
    for (const auto& positions : places.larger) {
      double worst = 0;
      rotations.for_each(positions, [&](int64_t, int64_t count, const float* r) {
        for (int64_t i = 0; i < count; ++i, r += rotations.size()) {
          const double error = orthogonality_error(r, rotations.blocks(), rotations.block());
          worst = std::isnan(error) ? error : std::max(worst, error);
        }
      });
      out.orthogonality.push_back(worst);
    }
  }

  std::vector<std::vector<double>> spectra(const std::vector<double>& generators) const {
    const int64_t per_axis = encoding().blocks() * encoding().entries();
    std::vector<std::vector<double>> all;
    for (int64_t a = 0; a < encoding().axes(); ++a) {
      auto frequencies = skew_frequencies(generators.data() + a * per_axis, encoding().blocks(), encoding().block);
      std::sort(frequencies.rbegin(), frequencies.rend());
      all.push_back(std::move(frequencies));
    }
    return all;
  }

  void generator_figures() {
    const auto& e = encoding();
    const auto now = generators_of(e, e.generators, layer, head);
    out.frequencies = spectra(now);
    out.commutator = commutator_norm(now, e.axes(), e.blocks(), e.block);
    if (!e.start.empty()) {
      const auto start = generators_of(e, e.start, layer, head);
      out.start_frequencies = spectra(start);
      out.start_commutator = commutator_norm(start, e.axes(), e.blocks(), e.block);
    }
    for (int64_t a = 0; a < e.axes(); ++a)
      out.range.push_back(steps_to_half(out.frequencies[static_cast<size_t>(a)], e.head_dim(), token_step(e, a),
                                        4.0 * static_cast<double>(e.grid[static_cast<size_t>(a)])));
  }

  void run() {
    const auto window = static_cast<size_t>(analysis.window.count());
    for (auto* map : {&out.maps.origin, &out.maps.centre, &out.maps.mean, &out.maps.deviation, &out.maps.logit_origin, &out.maps.logit_centre})
      map->assign(window, kNone);
    const auto moments = query_key_moments(encoding().projections[static_cast<size_t>(layer)], head, encoding().head_dim(), encoding().block);
    generator_figures();
    maps_from_origin(moments);
    maps_over_tokens(moments);
    departure();
    larger_sizes();
  }
};

std::vector<float> cosine_similarity(const LearnedEncoding& e) {
  const int64_t tokens = e.tokens(), width = *e.model.width;
  std::vector<double> norm(static_cast<size_t>(tokens));
  const float* const rows = e.table.data() + width;  // row 0 belongs to CLS
  for (int64_t t = 0; t < tokens; ++t) norm[static_cast<size_t>(t)] = std::sqrt(inner_product(rows + t * width, rows + t * width, width));
  std::vector<float> out(static_cast<size_t>(tokens * tokens));
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t u = 0; u < tokens; ++u)
      out[static_cast<size_t>(t * tokens + u)] = static_cast<float>(inner_product(rows + t * width, rows + u * width, width) /
                                                                    (norm[static_cast<size_t>(t)] * norm[static_cast<size_t>(u)]));
  return out;
}

}  // namespace

Analysis analyse(LearnedEncoding encoding) {
  Analysis analysis{.encoding = std::move(encoding)};
  const LearnedEncoding& e = analysis.encoding;
  if (!e.table.empty()) analysis.similarity = cosine_similarity(e);
  if (!e.turns()) return analysis;
  analysis.window.grid = e.grid;
  for (const int64_t factor : {1, 2, 4}) {
    std::vector<int64_t> size;
    for (const int64_t m : e.grid) size.push_back(m * factor);
    const double work = static_cast<double>(product_of(size) * e.layers() * e.heads() * e.head_dim() * e.block * e.block) / 2;
    if (factor == 1 || work <= kOrthogonalityWork) analysis.sizes.push_back(size);
  }
  const Places places(analysis);
  analysis.heads.resize(static_cast<size_t>(e.layers() * e.heads()));
  share_out(static_cast<int64_t>(analysis.heads.size()), [&](int64_t i) {
    const int64_t layer = i / e.heads(), head = i % e.heads();
    HeadWork{analysis, places, HeadRotations(e, layer, head), layer, head, analysis.heads[static_cast<size_t>(i)]}.run();
  });
  return analysis;
}

}  // namespace liere::report
