// What each batch adds to an evaluation, as plain values: put together in the batches' order they give the same result, bit for bit, whichever rank computed which batch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/eval/rows.h"
#include "train/metrics.h"

namespace liere {

struct EvaluationPart {
  int64_t batch = 0;  // number of the global batch
  Classification views, samples;
  std::vector<Row> rows, sample_rows;
  ClassScores scores;
};

/// For ranks of the same program on machines of the same kind.
std::string encode(const std::vector<EvaluationPart>& parts);
/// Appends to `parts`.
void decode(const std::string& bytes, std::vector<EvaluationPart>& parts);

}  // namespace liere
