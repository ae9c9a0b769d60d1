// Rows made by hand for the tests of what is computed from them.
#pragma once

#include <cmath>

#include "core/rng.h"
#include "train/eval/rows.h"

namespace liere::test {

/// A row of `classes` classes that predicts `top` with probability `confidence`, the rest spread evenly over the others in order.
inline Row make_row(int64_t sample, int64_t label, int64_t top, double confidence, int64_t classes = 4) {
  Row row;
  row.sample = sample;
  row.label = label;
  const double rest = (1 - confidence) / static_cast<double>(classes - 1);
  row.top[0] = top;
  row.probability[0] = confidence;
  for (int64_t c = 0, k = 1; c < classes && k < static_cast<int64_t>(kTopClasses); ++c)
    if (c != top) {
      row.top[static_cast<size_t>(k)] = c;
      row.probability[static_cast<size_t>(k++)] = rest;
    }
  const double of_label = label == top ? confidence : rest;
  row.loss = -std::log(of_label);
  row.brier = confidence * confidence + static_cast<double>(classes - 1) * rest * rest - 2 * of_label + 1;
  return row;
}

/// n samples of 4 classes, right with probability `accuracy`; a function of the seed. Labels depend on the sample alone.
inline std::vector<Row> random_rows(int64_t n, double accuracy, uint64_t seed) {
  std::vector<Row> rows;
  for (int64_t i = 0; i < n; ++i) {
    Rng rng(seed, Purpose::kHoldout, static_cast<uint32_t>(i));
    const int64_t label = i % 4;
    rows.push_back(make_row(i, label, rng.coin(accuracy) ? label : (label + 1 + rng.integer(3)) % 4, rng.uniform(0.4, 0.99)));
  }
  return rows;
}

inline Predictions predictions_of(std::vector<Row> rows) { return {std::move(rows), {"up", "right", "down", "left"}, {}, 200}; }

}  // namespace liere::test
