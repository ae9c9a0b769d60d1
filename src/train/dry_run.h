// What a training will need, without data or device: parameters, FLOPs, memory, steps.
#pragma once

#include <string>

#include "train/experiment.h"
#include "train/observers.h"
#include "train/training_cost.h"

namespace liere {

/// Lines for the terminal. A data set that cannot be opened is a warning (official sizes are assumed), with the command that fetches it.
std::string dry_run_report(const ExperimentConfig& config);

/// The same of a cost that is known.
std::string describe_cost(const TrainingCost& cost);

/// One line about the step that --dry-run=step made.
std::string describe_step(const StepReport& report);

}  // namespace liere
