// What stands on the page alone: the runs and where they lie, and the main table's intervals as pictures.
#pragma once

#include <vector>

#include "report/estimates.h"
#include "report/table.h"

namespace liere::report {

/// Folder, seed, state, epochs, time, machine of each run.
Table run_table(const std::vector<Run>& runs);

/// Colours and top-1 with its interval, every seed a dot of its own beneath the mean's, to the rows of make_table.
void add_pictures(const std::vector<Run>& runs, const std::vector<Group>& groups, const Estimates& estimates, Table& table);

}  // namespace liere::report
