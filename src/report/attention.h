// Pictures of attention that evaluations left in eval/attention: attention.json names them with their captions, {"pictures": [{"file": "x.png",
// "caption": "..."}]}.
#pragma once

#include <vector>

#include "report/page.h"
#include "report/run.h"

namespace liere::report {

/// All runs' pictures, inside the page; without html where no run has any. Throws DataError where attention.json is not of that form or names what is
/// no PNG beside it.
Section attention_section(const std::vector<Run>& runs);

}  // namespace liere::report
