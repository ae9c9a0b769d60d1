#include "report/statistics.h"

namespace liere::report {

std::optional<int64_t> samples_to_reach(const std::vector<EvalEvent>& evals, double percent) {
  for (const EvalEvent& eval : evals)
    if (eval.accuracy.top1 >= percent) return eval.samples;
  return std::nullopt;
}

std::optional<double> chance_level(const Run& run) {
  if (run.classes && *run.classes > 0) return 100.0 / static_cast<double>(*run.classes);
  if (run.dataset == "arrows") return 25.0;
  if (run.dataset == "cifar10") return 10.0;
  if (run.dataset == "cifar100") return 1.0;
  return std::nullopt;
}

}  // namespace liere::report
