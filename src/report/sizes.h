// The resolution test's results, put in order: which sizes, and in which manner each was shown.
//   reading    how the picture was made: grid (the same objects on a larger grid), scaled, resize; "trained" is the training size, the same in every
//   reading positions  where its tokens were placed: sequential, fixed, index; "none" for an encoding without positions
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/run.h"

namespace liere::report {

struct Manner {
  std::string reading, positions;
  /// "grid, sequential"; what is unknown is left out.
  std::string text() const;
  bool operator==(const Manner&) const = default;
};

using Size = std::vector<int64_t>;  // pixels per axis

/// "60x60", "8x224x224".
std::string size_text(const Size& size);

/// The distinct sizes of all runs, small to large.
std::vector<Size> evaluated_sizes(const std::vector<Run>& runs);

/// The distinct manners of a run, the one to compare runs by first: its own positions (sequential where unknown), then reading grid or resize.
std::vector<Manner> manners(const Run& run);

/// nullptr where it was not evaluated. The training size's result stands for every reading.
const ResolutionResult* find_result(const Run& run, const Size& size, const Manner& manner);

/// The result in the manner to compare runs by.
const ResolutionResult* main_result(const Run& run, const Size& size);

/// Where all runs that name their training size have the same.
std::optional<Size> trained_size(const std::vector<Run>& runs);

/// "reading grid, positions sequential": the manners to compare by, with the runs' labels where they differ; empty without results.
std::string main_manners_in_words(const std::vector<Run>& runs);

}  // namespace liere::report
