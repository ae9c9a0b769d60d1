// A failure on purpose, for tests alone: LIERE_FAULT=RANK:STEP:KIND makes one rank of a run fail as it begins one of its optimiser steps (counted
// from 1). KIND: throw, oom (std::bad_alloc), segv, abort, exit, freeze (SIGSTOP to itself), or nan: a gradient of this rank that is not finite while
// its loss is; RANK:STEP:nan:WEIGHT names the weight (the first one otherwise). RANK:STEP+:KIND means that step and all after it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "train/optimizer.h"

namespace liere {

enum class FaultKind { kThrow, kOom, kSegv, kAbort, kNan, kExit, kFreeze };

struct Fault {
  int64_t rank = 0, step = 1;
  FaultKind kind = FaultKind::kThrow;
  bool repeated = false;
  std::string weight = {};  // of kNan

  bool strikes(int64_t at_step) const { return at_step == step || (repeated && at_step > step); }
};

/// Throws ConfigError that quotes the text and says what was expected.
Fault parse_fault(const std::string& text);

/// What LIERE_FAULT says of this rank, with a warning in the log; nothing where it is unset or of another rank. Throws ConfigError for what cannot be
/// meant: malformed, no rank or no weight of the run.
std::optional<Fault> fault_of(int64_t rank, int64_t ranks, const NamedTensors& weights);

/// Fails. kNan: gives the weight a gradient with one NaN, to which the step's own is added; call it while gradients are undefined.
void strike(const Fault& fault, int64_t step, const NamedTensors& weights);

}  // namespace liere
