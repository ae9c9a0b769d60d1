// The status table of docs/reproduce.md: every cell of the paper's tables with the paper's figure, ours, and what is known or what is left to do.
//   GPU hours of a training = (FLOP of training + FLOP of evaluations) / (0.35 x 989e12 FLOP/s) / 3600: one H100 SXM, 35 % of its dense bf16 rate by
//   data sheet; ViT-B on CIFAR-100 reached 36 to 39 % (docs/measurements.md)
#pragma once

#include <string>
#include <vector>

#include "status/cells.h"
#include "status/records.h"

namespace liere::status {

double gpu_hours(const Cost& cost);

/// The part of the page between its two marks. Throws ConfigError where a result names no cell, or a training has no cost.
std::string status_text(const std::vector<Cell>& cells, const Results& results, const std::vector<Cost>& costs);

/// The page with that part in place of what is between the marks. Throws ConfigError where they are missing.
std::string with_status(const std::string& page, const std::string& text);

}  // namespace liere::status
