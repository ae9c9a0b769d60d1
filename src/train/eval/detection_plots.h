// The pictures of test `detection`: ROC curves, and whether probabilities of findings mean what they say.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/binary_metrics.h"
#include "core/gnuplot.h"

namespace liere {

/// A class that is told from its absence.
struct Finding {
  std::string name;
  BinaryScores test;
  std::optional<double> threshold;  // from the validation part
};

/// A curve for each finding, and where its threshold leads on it.
PlotScript roc_plot(const std::vector<Finding>& findings);
/// Share of positives over mean probability, by bins of the probability, and how many samples each bin has.
PlotScript finding_reliability_plot(const std::vector<Finding>& findings);

}  // namespace liere
