// A task in one dimension, for what the paper says of it: there LieRE can do what RoPE with learned phases can, and no more. Among N tokens stand two markers, A and,
// further right, B; their distance is the class, and all other tokens are symbols drawn at random. A model without positions sees the same bag of tokens for
// every class: 1/K is its best. Where A stands says nothing of the class either: it is drawn from the same places for all of them (where B stands says little, near the ends).
// Sequence i of a split is a pure function of (data.seed, split, i): distance, place of A, then the symbols from left to right, from Rng(seed, kSequences, split, i).
#pragma once

#include "data/config.h"
#include "data/dataset.h"

namespace liere {

/// 0 .. 5 are symbols, 6 is A, 7 is B, `distance` places behind it.
struct Sequence {
  int64_t distance = 1;  // 1 .. data.distances; class + 1
  std::vector<uint8_t> tokens;
};

Sequence arrange_sequence(const SequencesConfig& config, Split split, int64_t index, int64_t length);

/// A sample is a picture of one row, a pixel per token: the three bits of its number as red, green and blue, 0 or 255. Throws ConfigError where the markers do not fit.
std::unique_ptr<Dataset> make_sequences(const SequencesConfig& config, Split split);
/// The same task on sequences of another length.
std::unique_ptr<Dataset> make_sequences(const SequencesConfig& config, Split split, int64_t length);

}  // namespace liere
