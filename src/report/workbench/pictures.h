// The workbench's pictures: their figures and gnuplot scripts.
#pragma once

#include <string>
#include <vector>

#include "core/gnuplot.h"
#include "report/workbench/analysis.h"

namespace liere::report {

/// A picture with the sentence that stands beneath it.
struct WorkbenchPicture {
  PlotScript plot;
  std::string title, caption;
};

/// Small maps over offsets, a row per layer, a column per head: the score of the encoding alone, and the logit of the layer's own queries and keys.
WorkbenchPicture score_picture(const Analysis& analysis, const std::string& name);
WorkbenchPicture logit_picture(const Analysis& analysis, const std::string& name);
/// Of an added table: the cosine of every patch's row with all others, each patch a map at its place.
WorkbenchPicture table_picture(const Analysis& analysis, const std::string& name);
/// Angular frequencies over layers, every block of every head a dot, axes side by side, before training in grey.
WorkbenchPicture frequency_picture(const Analysis& analysis, const std::string& name);
/// Commutator norms over layers: every head a dot, one colour per run; of those with two axes or more whose blocks can fail to commute.
WorkbenchPicture commutator_picture(const std::vector<Analysis>& analyses, const std::string& name);

}  // namespace liere::report
